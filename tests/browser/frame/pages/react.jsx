/** Components in strict mode, where every effect runs twice. */

import { useCall, useHost, useTheme } from "@alga/extension-iframe-sdk/react";
import { StrictMode, useEffect } from "react";
import { createRoot } from "react-dom/client";

/** How often a component was given the answer of another call than its own. */
let stale = 0;

function Greeting() {
  const { host, error } = useHost();
  const { primary } = useTheme();
  const { data, loading } = useCall(`/hello?theme=${encodeURIComponent(primary)}`, { headers: { accept: "application/json" } });
  const none = useCall(undefined);
  if (data !== undefined && !data.route.endsWith(`=${encodeURIComponent(primary)}`)) stale++;
  useEffect(() => {
    if (host !== undefined && !loading && data !== undefined) {
      parent.postMessage({ report: { connected: true, route: data.route, stale, none: none.loading, error: error ?? null } }, "*");
    }
  }, [host, loading, data, none.loading, error]);
  return <p>{loading ? "Loading" : data?.route}</p>;
}

createRoot(document.getElementById("page")).render(
  <StrictMode>
    <Greeting />
    <Greeting />
  </StrictMode>,
);
