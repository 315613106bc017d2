// Runs infra/cloudfront/page_url.js as CloudFront does: as a script with no module, no process and no network. Reads one
// event a line, and answers each with a line.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { createContext, runInContext } from "node:vm";

const script = new URL("../../infra/cloudfront/page_url.js", import.meta.url);
const context = createContext({});
runInContext(readFileSync(script, "utf8"), context);
for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(context.handler(JSON.parse(line))));
}
