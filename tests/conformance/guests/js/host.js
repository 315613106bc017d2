// @ts-check
// Every interface of the guest contract by its name, as the compilers hand it over.

import * as clients from "alga:extension/clients";
import * as config from "alga:extension/config";
import * as context from "alga:extension/context";
import * as http from "alga:extension/http";
import * as invoicing from "alga:extension/invoicing";
import * as logging from "alga:extension/logging";
import * as metrics from "alga:extension/metrics";
import * as scheduler from "alga:extension/scheduler";
import * as secrets from "alga:extension/secrets";
import * as services from "alga:extension/services";
import * as storage from "alga:extension/storage";
import * as storageV2 from "alga:extension/storage-v2";
import * as uiProxy from "alga:extension/ui-proxy";
import * as user from "alga:extension/user";
import * as userV2 from "alga:extension/user-v2";

import { camel, fromJson, toJson } from "./values.js";

/** @type {Record<string, Record<string, any>>} */
const INTERFACES = {
  clients,
  config,
  context,
  http,
  invoicing,
  logging,
  metrics,
  scheduler,
  secrets,
  services,
  storage,
  "storage-v2": storageV2,
  "ui-proxy": uiProxy,
  user,
  "user-v2": userV2,
};

/**
 * Call a function of the host with arguments from JSON.
 *
 * @param {string} interfaceName
 * @param {string} functionName
 * @param {unknown[]} args
 */
export function callHost(interfaceName, functionName, args) {
  const called = INTERFACES[interfaceName]?.[camel(functionName)];
  if (called === undefined) throw new Error(`The contract has no ${interfaceName}.${functionName}.`);
  try {
    return { value: toJson(called(...args.map(fromJson))) };
  } catch (error) {
    if (typeof error === "object" && error !== null && "payload" in error) return { error: toJson(error.payload) };
    throw error;
  }
}
