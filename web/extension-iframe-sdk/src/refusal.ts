import type { ApiResponse } from "./api-response.js";

/** Why a call did not succeed, whoever answered it. */
export interface Refusal {
  readonly status: number;
  /** The stable code of the platform's problem document, to decide by; undefined for any other answer. */
  readonly code: string | undefined;
  /** A sentence for people. */
  readonly detail: string;
  /** To quote when asking for help. */
  readonly requestId: string | undefined;
}

/**
 * Read why a call did not succeed. The platform answers with a problem document (RFC 9457). API Gateway answers 413, 429
 * and 503 itself, with `{"message": …}` and a request id of its own. An extension may answer in any form.
 */
export function refusalOf(response: ApiResponse): Refusal {
  const { detail, message, code, request_id: requestId } = membersOf(response);
  return {
    status: response.status,
    code: textOf(code),
    detail: textOf(detail) ?? textOf(message) ?? `The call was answered with status ${response.status}.`,
    requestId: textOf(response.headers["x-request-id"] ?? requestId ?? response.headers["apigw-requestid"]),
  };
}

/** The members of an answer that is a JSON object; of any other answer, none. */
export function membersOf(response: ApiResponse): Record<string, unknown> {
  try {
    const document = response.json();
    return typeof document === "object" && document !== null ? { ...document } : {};
  } catch {
    return {}; // not JSON
  }
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}
