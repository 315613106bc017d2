/** Return a function that admits at most `limit` events in each period, which begins with its first event. */
export function rate(limit: number, periodMs: number): () => boolean {
  let began = -Infinity;
  let count = 0;
  return () => {
    const now = performance.now();
    if (now - began >= periodMs) {
      began = now;
      count = 0;
    }
    return ++count <= limit;
  };
}
