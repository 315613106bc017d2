import * as host from "alga:extension/invoicing";
import type { CreateManualInvoiceInput, CreateManualInvoiceResult } from "alga:extension/types";

import { wellFormed } from "../well-formed.js";

/** Create a manual invoice in the host application; a refusal is `success: false` with its reason. */
export function createManualInvoice(input: CreateManualInvoiceInput): CreateManualInvoiceResult {
  return host.createManualInvoice(wellFormed(input));
}
