// Holds journals of the simulator to Microsoft's own specifications, with Microsoft's own validator:
//
//     node validate.cjs SPECS JOURNAL.jsonl...
//
// Strict: every kind of finding of oav counts, of requests and of responses, and so does a call that a
// stored specification does not know. The last line counts the exchanges.

const fs = require("node:fs");
const path = require("node:path");
const { LiveValidator } = require("oav");

/** Where a provider's newest versions are not among the stored specifications: the one to read them as. */
const READ_AS = { "microsoft.keyvault": "2023-07-01" };

/** What the specifications forbid although Microsoft asks for it elsewhere, or does it itself. */
const SLIPS = [
  {
    says: "DICOM services: publicNetworkAccess is marked read-only until 2024-03-31, writable since",
    path: "/properties/publicNetworkAccess",
    code: "READONLY_PROPERTY_NOT_ALLOWED_IN_REQUEST",
    url: /\/dicomservices\/[^/?]+\?/i,
  },
  {
    says: "operation results: the error of a failed operation, which ARM's contract demands, is not described",
    path: "/error",
    code: "OBJECT_ADDITIONAL_PROPERTIES",
    url: /\/operationresults\/[^/?]+\?/i,
  },
  {
    says: "DICOM services: Microsoft's JavaScript SDK sends systemData back as it was read",
    path: "/systemData",
    code: "READONLY_PROPERTY_NOT_ALLOWED_IN_REQUEST",
    url: /\/dicomservices\/[^/?]+\?/i,
    agent: /^azsdk-js-/,
  },
  {
    says: "az resource update and azurerm send the whole resource back, its read-only properties too",
    code: "READONLY_PROPERTY_NOT_ALLOWED_IN_REQUEST",
    agent: /^AZURECLI\/|terraform-provider-azurerm\//,
  },
];

const [specs, ...journals] = process.argv.slice(2);

/** `provider/version`, lower case, of every stored specification. */
function stored(folder) {
  const known = new Set();
  for (const file of fs.readdirSync(folder, { recursive: true })) {
    const found = /resource-manager\/([^/]+)\/(?:stable|preview)\/([^/]+)\/[^/]+\.json$/.exec(file);
    if (found) known.add(`${found[1]}/${found[2]}`.toLowerCase());
  }
  return known;
}

/** The provider that a call is for, as Azure sees it: the last one that its path names. */
function provider(url) {
  return [...url.pathname.matchAll(/\/providers\/(microsoft\.[a-z]+)/gi)].at(-1)?.[1].toLowerCase();
}

/** The exchange as it is to be judged, and which substitution was made; null without a specification. */
function judged(exchange, known) {
  const url = new URL(exchange.liveRequest.url);
  const name = provider(url);
  const version = url.searchParams.get("api-version");
  if (!name || !version) return null;
  const readAs = known.has(`${name}/${version}`.toLowerCase()) ? version : READ_AS[name];
  if (!readAs) return null;
  const changed = structuredClone(exchange);
  if (readAs !== version) {
    url.searchParams.set("api-version", readAs);
    changed.liveRequest.url = url.toString();
    changed.liveRequest.query = { ...changed.liveRequest.query, "api-version": readAs };
  }
  return { exchange: changed, substitution: readAs === version ? null : `${name} ${version} read as ${readAs}` };
}

/** What oav finds in one exchange, in sentences; slips are counted instead. */
async function findings(validator, exchange, slip) {
  const result = await validator.validateLiveRequestResponse(exchange);
  const sides = { request: result.requestValidationResult, response: result.responseValidationResult };
  const sentences = [];
  for (const [side, { isSuccessful, errors, runtimeException }] of Object.entries(sides)) {
    const serious = (errors ?? []).filter((error) => {
      const paths = error.pathsInPayload ?? [];
      const { url: address, headers } = exchange.liveRequest;
      const known = SLIPS.find(
        ({ path, code, url, agent }) =>
          code === error.code &&
          (!url || url.test(address)) &&
          (!path || (paths.length === 1 && paths[0] === path)) &&
          (!agent || agent.test(headers["user-agent"] ?? "")),
      );
      if (known) slip(known.says);
      return !known;
    });
    for (const error of serious) {
      sentences.push(`${side} ${error.code}: ${error.message} (${(error.pathsInPayload ?? []).join(", ")})`);
    }
    if (runtimeException) sentences.push(`${side} ${runtimeException.code}: ${runtimeException.message}`);
    if (isSuccessful === false && !errors?.length && !runtimeException) sentences.push(`${side} was not accepted`);
  }
  return sentences;
}

async function main() {
  const known = stored(specs);
  const validator = new LiveValidator({
    directory: path.resolve(specs),
    swaggerPathsPattern: ["*/resource-manager/**/*.json"],
    git: { shouldClone: false },
    loadValidatorInBackground: false,
    checkUnderFileRoot: false,
  });
  await validator.initialize();
  const substitutions = new Map();
  const unknown = new Map();
  const slips = new Map();
  const count = (map, what) => map.set(what, (map.get(what) ?? 0) + 1);
  let passed = 0;
  const wrong = new Set();
  let failed = 0;
  for (const journal of journals) {
    for (const line of fs.readFileSync(journal, "utf8").split("\n").filter(Boolean)) {
      const exchange = JSON.parse(line);
      const { method, url } = exchange.liveRequest;
      const one = judged(exchange, known);
      if (!one) {
        const address = new URL(url);
        count(unknown, `${provider(address) ?? address.hostname} ${address.searchParams.get("api-version") ?? ""}`);
        continue;
      }
      if (one.substitution) count(substitutions, one.substitution);
      const sentences = await findings(validator, one.exchange, (what) => count(slips, what));
      if (sentences.length === 0) {
        passed += 1;
        continue;
      }
      failed += 1;
      const name = `${method} ${new URL(url).pathname} ${exchange.liveResponse.statusCode}`;
      wrong.add(`${path.basename(journal)}: ${name}\n  ${sentences.join("\n  ")}`);
    }
  }
  for (const sentence of wrong) console.log(`not ok  oav: ${sentence}`);
  for (const [what, times] of unknown) console.log(`        oav: no stored specification: ${what.trim()}, ${times} times`);
  for (const [what, times] of substitutions) console.log(`        oav: ${what}, ${times} times`);
  for (const [what, times] of slips) console.log(`        oav: let pass: ${what}, ${times} times`);
  if (passed + failed === 0) {
    console.log("not ok  oav: the journals have no exchange to judge");
    failed = 1;
  }
  console.log(`oav: ${passed} passed, ${failed} failed`);
  // its logger keeps the process alive
  process.exit(failed === 0 ? 0 : 1);
}

main();
