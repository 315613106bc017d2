"""What the runner's tests share: guests written in WebAssembly text, and a runner to call them through its door."""
