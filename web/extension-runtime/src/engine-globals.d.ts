/** Global functions of both engines that are not part of the language. */

declare function atob(base64: string): string;
declare function btoa(binary: string): string;
