// For TypeScript, which looks for types of a style sheet that is imported. It exports nothing.
export {};
