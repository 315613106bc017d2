// npm run schema: write docs/reference/iframe-messages.schema.json from the SDK's sources.
import { writeFileSync } from "node:fs";

import { build } from "esbuild";

const source = new URL("extension-iframe-sdk/src/protocol/message-schema.ts", import.meta.url).pathname;
const target = new URL("../docs/reference/iframe-messages.schema.json", import.meta.url);
const { outputFiles } = await build({ entryPoints: [source], bundle: true, format: "esm", write: false });
const { messageSchema } = await import(`data:text/javascript,${encodeURIComponent(outputFiles[0].text)}`);
writeFileSync(target, `${JSON.stringify(messageSchema(), null, 2)}\n`);
