// biome-ignore lint/correctness/noUnusedVariables: CloudFront calls it.
function handler(event) {
  var request = event.request;
  request.headers["x-alga-ui-host"] = { value: event.context.distributionDomainName };
  return request;
}
