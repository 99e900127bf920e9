// Microsoft's JavaScript SDKs, unmodified, through the whole flow of a customer-managed key.
//
// They speak to the simulator at its own https address, as to an Azure of another name: AZURE_ENDPOINT
// is ARM and the token service, NODE_EXTRA_CA_CERTS the CA. Each step is one line, `ok` or `not ok`,
// and the last line counts them.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";

import { AuthorizationManagementClient } from "@azure/arm-authorization";
import { HealthcareApisManagementClient } from "@azure/arm-healthcareapis";
import { KeyVaultManagementClient } from "@azure/arm-keyvault";
import { ManagedServiceIdentityClient } from "@azure/arm-msi";
import { MicrosoftResourceHealth } from "@azure/arm-resourcehealth";
import { ResourceManagementClient } from "@azure/arm-resources";
import { ClientSecretCredential } from "@azure/identity";

const tenant = "99999999-9999-9999-9999-999999999999";
const subscription = "11111111-1111-1111-1111-111111111111";
const owner = "55555555-5555-5555-5555-555555555555";
const group = "javascript-imaging";
const location = "westeurope";
const vault = "javascript-clinic-keys";
const key = "dicom-cmk";
const workspace = "javascriptclinic";
const service = "radiology";
const identity = "radiology-identity";
const role = "Key Vault Crypto Service Encryption User";

const endpoint = process.env.AZURE_ENDPOINT;
const credential = new ClientSecretCredential(tenant, owner, "any secret will do", {
  authorityHost: endpoint,
  disableInstanceDiscovery: true,
});
const scope = "https://management.azure.com/.default";
// two generations of generated clients name the same options differently
const old = { endpoint, $host: endpoint, credentialScopes: [scope] };
const recent = { endpoint, credentials: { scopes: [scope] } };
const eager = { updateIntervalInMs: 1000 };
const groups = new ResourceManagementClient(credential, subscription, recent);
const vaults = new KeyVaultManagementClient(credential, subscription, recent);
const identities = new ManagedServiceIdentityClient(credential, subscription, old);
const healthCare = new HealthcareApisManagementClient(credential, subscription, old);
const rights = new AuthorizationManagementClient(credential, subscription, old);
const availability = new MicrosoftResourceHealth(credential, subscription, old);

let passed = 0;

/** Does the work, says how it went, and gives what it returned. */
async function step(name, work) {
  try {
    const result = await work();
    passed += 1;
    console.log(`ok      javascript: ${name}`);
    return result;
  } catch (error) {
    console.log(`not ok  javascript: ${name}: ${error.code ?? error.name}: ${error.message}`);
    // every step needs the ones before it
    console.log(`javascript: ${passed} passed, 1 failed`);
    process.exit(1);
  }
}

/** Fails unless Azure refuses the call with this code of its own. */
async function refused(code, call) {
  await assert.rejects(call, (error) => error.code === code || error.details?.error?.code === code);
}

/** Calls until the answer is as wanted. */
async function eventually(call, wanted, limit = 30_000) {
  const end = Date.now() + limit;
  for (;;) {
    const found = await call();
    if (found === wanted) return;
    assert.ok(Date.now() < end, `still ${found} after ${limit} ms, wanted ${wanted}`);
    await pause(200);
  }
}

/** All rows of all pages. */
async function all(pages) {
  const rows = [];
  for await (const row of pages) rows.push(row);
  return rows;
}

/** What a person does in the portal. */
function portal(...words) {
  execFileSync("azure-simulator", ["set", ...words]);
}

const read = () => healthCare.dicomServices.get(group, workspace, service);
const keyUrl = (found) => found.encryption?.customerManagedKeyEncryption?.keyEncryptionKeyUrl;
const health = async () =>
  (await availability.availabilityStatuses.getByResource(made.service.id)).properties.availabilityState;

/** PUTs the whole service as it was read, with this key. */
async function setKey(keyEncryptionKeyUrl) {
  const whole = await read();
  whole.encryption = { customerManagedKeyEncryption: { keyEncryptionKeyUrl } };
  return healthCare.dicomServices.beginCreateOrUpdateAndWait(group, workspace, service, whole, eager);
}

const made = {};

await step("a resource group is created", async () => {
  const found = await groups.resourceGroups.createOrUpdate(group, { location });
  assert.equal(found.properties.provisioningState, "Succeeded");
});

await step("a vault with role-based access and purge protection is created", async () => {
  made.vault = await vaults.vaults.createOrUpdate(
    group,
    vault,
    {
      location,
      properties: {
        tenantId: tenant,
        sku: { family: "A", name: "premium" },
        enableRbacAuthorization: true,
        enablePurgeProtection: true,
      },
    },
    eager,
  );
  assert.equal(made.vault.properties.enablePurgeProtection, true);
});

await step("a key is created, found with its version and in the list of its versions", async () => {
  await vaults.keys.createIfNotExist(group, vault, key, { properties: { kty: "RSA", keySize: 2048 } });
  made.key = await vaults.keys.get(group, vault, key);
  const version = made.key.keyUriWithVersion.split("/").at(-1);
  const one = await vaults.keys.getVersion(group, vault, key, version);
  assert.equal(one.attributes.enabled, true);
  const versions = await all(vaults.keys.listVersions(group, vault, key));
  assert.deepEqual(versions.map((each) => each.id.split("/").at(-1)), [version]);
});

await step("a user-assigned identity is created", async () => {
  made.identity = await identities.userAssignedIdentities.createOrUpdate(group, identity, { location });
  assert.match(made.identity.principalId, /^[0-9a-f-]{36}$/);
});

await step("a workspace is created", async () => {
  const found = await healthCare.workspaces.beginCreateOrUpdateAndWait(group, workspace, { location }, eager);
  assert.equal(found.properties.provisioningState, "Succeeded");
});

await step("a DICOM service is created, on Microsoft's keys", async () => {
  const wish = { location, tags: { team: "imaging" }, corsConfiguration: { origins: ["https://viewer.example"] } };
  made.service = await healthCare.dicomServices.beginCreateOrUpdateAndWait(group, workspace, service, wish, eager);
  assert.equal(made.service.provisioningState, "Succeeded");
  assert.equal(keyUrl(made.service), undefined);
});

await step("the service gets a user-assigned identity by PATCH, and keeps the rest", async () => {
  const wish = { identity: { type: "UserAssigned", userAssignedIdentities: { [made.identity.id]: {} } } };
  const found = await healthCare.dicomServices.beginUpdateAndWait(group, service, workspace, wish, eager);
  const [attached] = Object.values(found.identity.userAssignedIdentities);
  assert.equal(attached.principalId, made.identity.principalId);
  assert.deepEqual(found.tags, { team: "imaging" });
  assert.deepEqual(found.corsConfiguration.origins, ["https://viewer.example"]);
});

await step("the role is found by its name and assigned to the identity, once", async () => {
  const [definition] = await all(rights.roleDefinitions.list(made.vault.id, { filter: `roleName eq '${role}'` }));
  assert.equal(definition.roleName, role);
  const wish = {
    roleDefinitionId: definition.id,
    principalId: made.identity.principalId,
    principalType: "ServicePrincipal",
  };
  made.assignment = await rights.roleAssignments.create(made.vault.id, randomUUID(), wish);
  await refused("RoleAssignmentExists", () => rights.roleAssignments.create(made.vault.id, randomUUID(), wish));
});

await step("the assignment shows in the list of the vault", async () => {
  const filter = `principalId eq '${made.identity.principalId}'`;
  const ids = async () => {
    const rows = await all(rights.roleAssignments.listForScope(made.vault.id, { filter }));
    return rows.map((row) => row.id).join();
  };
  await eventually(ids, made.assignment.id);
});

await step("the whole service is PUT with the key, once the role works", async () => {
  const url = made.key.keyUriWithVersion;
  const attempt = () => setKey(url).then(keyUrl, (error) => error.code ?? error.message);
  await eventually(attempt, url);
  assert.equal(keyUrl(await read()), url);
});

await step("Resource Health calls the service available", () => eventually(health, "Available"));

await step("the key is disabled: Resource Health tells it", async () => {
  portal("key", `${vault}/${key}`, "disabled");
  await eventually(health, "Degraded");
});

await step("the key is enabled in time: the service is available again by itself", async () => {
  portal("key", `${vault}/${key}`, "enabled");
  await eventually(health, "Available");
});

await step("health of all resources is listed, with the service among them", async () => {
  const rows = await all(availability.availabilityStatuses.listByResourceGroup(group));
  const ids = rows.map((row) => row.id.toLowerCase().split("/providers/microsoft.resourcehealth/")[0]);
  assert.ok(ids.includes(made.service.id.toLowerCase()), `${made.service.id} is not among ${ids}`);
});

await step("the service, the workspace and the assignment are deleted, the vault softly", async () => {
  await healthCare.dicomServices.beginDeleteAndWait(group, service, workspace, eager);
  await healthCare.workspaces.beginDeleteAndWait(group, workspace, eager);
  await rights.roleAssignments.deleteById(made.assignment.id);
  await identities.userAssignedIdentities.delete(group, identity);
  await vaults.vaults.delete(group, vault);
  const gone = await vaults.vaults.getDeleted(vault, location);
  assert.equal(gone.properties.vaultId.toLowerCase(), made.vault.id.toLowerCase());
  await assert.rejects(read, (error) => error.statusCode === 404);
});

await step("the resource group is deleted", async () => {
  await groups.resourceGroups.delete(group, eager);
  assert.equal((await groups.resourceGroups.checkExistence(group)).body, false);
});

console.log(`javascript: ${passed} passed, 0 failed`);
