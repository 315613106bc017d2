/** What both engines have beyond the language. */

declare function atob(base64: string): string;
declare function btoa(binary: string): string;
