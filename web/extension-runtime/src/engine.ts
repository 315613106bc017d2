/** Tell whether the guest runs on QuickJS, whose toolchain defines the global `wit`. */
export function onQuickJs(): boolean {
  return "wit" in globalThis;
}
