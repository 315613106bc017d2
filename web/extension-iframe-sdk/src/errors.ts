import type { ApiResponse } from "./api-response.js";
import { membersOf, type Refusal, refusalOf } from "./refusal.js";

/** The host page could not be reached, or did not do what was asked. */
export class HostLinkError extends Error {
  override readonly name = "HostLinkError";
  /** `not_framed`, `timeout`, `invalid_answer`, or the code from the host. */
  readonly code: string;

  constructor(code: string, detail: string) {
    super(detail);
    this.code = code;
  }
}

/** A handler, or the platform in front of it, answered with an error status. The message is a sentence for people. */
export class HandlerError extends Error implements Refusal {
  override readonly name = "HandlerError";
  /** The problem document (RFC 9457), or `undefined` when the answer has another form. */
  readonly problem: Readonly<Record<string, unknown>> | undefined;
  readonly response: ApiResponse;
  readonly status: number;
  readonly code: string | undefined;
  readonly detail: string;
  readonly requestId: string | undefined;

  constructor(response: ApiResponse) {
    const refusal = refusalOf(response);
    super(refusal.detail);
    this.response = response;
    this.problem = response.headers["content-type"]?.includes("problem+json") ? membersOf(response) : undefined;
    this.status = refusal.status;
    this.code = refusal.code;
    this.detail = refusal.detail;
    this.requestId = refusal.requestId;
  }
}
