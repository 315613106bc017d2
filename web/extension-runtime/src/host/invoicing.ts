export { createManualInvoice } from "alga:extension/invoicing";
