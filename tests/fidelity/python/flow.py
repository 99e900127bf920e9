"""Microsoft's Python SDKs, unmodified, through the whole flow of a customer-managed key.

They believe that they talk to Azure: HTTPS_PROXY leads Azure's own host names to the simulator, and
REQUESTS_CA_BUNDLE names the CA that it signs with. Each step is one line, `ok` or `not ok`, and the
last line counts them.
"""

import subprocess
import sys
import time
import uuid

from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.identity import ClientSecretCredential
from azure.mgmt.authorization import AuthorizationManagementClient
from azure.mgmt.healthcareapis import HealthcareApisManagementClient
from azure.mgmt.healthcareapis import models as health_models
from azure.mgmt.keyvault import KeyVaultManagementClient
from azure.mgmt.msi import ManagedServiceIdentityClient
from azure.mgmt.resource.resources import ResourceManagementClient
from azure.mgmt.resourcehealth import ResourceHealthMgmtClient

TENANT = "99999999-9999-9999-9999-999999999999"
SUBSCRIPTION = "11111111-1111-1111-1111-111111111111"
OWNER = "44444444-4444-4444-4444-444444444444"
GROUP, LOCATION = "python-imaging", "westeurope"
VAULT, KEY = "python-clinic-keys", "dicom-cmk"
WORKSPACE, SERVICE, IDENTITY = "pythonclinic", "radiology", "radiology-identity"
ROLE = "Key Vault Crypto Service Encryption User"

credential = ClientSecretCredential(TENANT, OWNER, "any secret will do")
# as often as an answer's Retry-After lets them
eager = {"polling_interval": 1}
groups = ResourceManagementClient(credential, SUBSCRIPTION)
vaults = KeyVaultManagementClient(credential, SUBSCRIPTION, **eager)
identities = ManagedServiceIdentityClient(credential, SUBSCRIPTION)
health_care = HealthcareApisManagementClient(credential, SUBSCRIPTION, **eager)
rights = AuthorizationManagementClient(credential, SUBSCRIPTION)
availability = ResourceHealthMgmtClient(credential, SUBSCRIPTION)

counts = {"passed": 0, "failed": 0}


def step(name):
    """Runs the function below it, says how it went, and keeps what it returned."""

    def run(work):
        try:
            result = work()
        except Exception as error:  # whatever it is: the step failed, and says with what
            counts["failed"] += 1
            print(f"not ok  python: {name}: {type(error).__name__}: {error}")
            finish()
        counts["passed"] += 1
        print(f"ok      python: {name}")
        return result

    return run


def finish():
    """Counts, and ends: every step needs the ones before it."""
    print(f"python: {counts['passed']} passed, {counts['failed']} failed")
    sys.exit(1 if counts["failed"] else 0)


def equal(found, wanted):
    """Fails unless both are the same."""
    assert found == wanted, f"found {found!r}, wanted {wanted!r}"


def refused(code, call):
    """Fails unless Azure refuses the call with this code of its own."""
    try:
        call()
    except HttpResponseError as error:
        equal(error.error.code if error.error else None, code)
    else:
        raise AssertionError(f"was not refused with {code}")


def eventually(call, wanted, limit=30):
    """Calls until the answer is as wanted."""
    end = time.monotonic() + limit
    while (found := call()) != wanted:
        assert time.monotonic() < end, f"still {found!r} after {limit} s, wanted {wanted!r}"
        time.sleep(0.2)


def portal(*words):
    """What a person does in the portal."""
    subprocess.run(["azure-simulator", "set", *words], check=True, stdout=subprocess.DEVNULL)


def health():
    """The word of Resource Health about the service."""
    return availability.availability_statuses.get_by_resource(service.id).properties.availability_state


def key_url():
    """The key that the service has now."""
    found = health_care.dicom_services.get(GROUP, WORKSPACE, SERVICE)
    return found.encryption.customer_managed_key_encryption.key_encryption_key_url


def set_key(url):
    """PUTs the whole service as it was read, with this key."""
    whole = health_care.dicom_services.get(GROUP, WORKSPACE, SERVICE)
    whole.encryption = health_models.Encryption(
        customer_managed_key_encryption=health_models.EncryptionCustomerManagedKeyEncryption(
            key_encryption_key_url=url
        )
    )
    return health_care.dicom_services.begin_create_or_update(GROUP, WORKSPACE, SERVICE, whole)


@step("a resource group is created")
def group():
    made = groups.resource_groups.create_or_update(GROUP, {"location": LOCATION})
    equal(made.properties.provisioning_state, "Succeeded")
    return made


@step("a vault with role-based access and purge protection is created")
def vault():
    made = vaults.vaults.begin_create_or_update(
        GROUP,
        VAULT,
        {
            "location": LOCATION,
            "properties": {
                "tenantId": TENANT,
                "sku": {"family": "A", "name": "premium"},
                "enableRbacAuthorization": True,
                "enablePurgeProtection": True,
                "softDeleteRetentionInDays": 90,
            },
        },
    ).result()
    equal(made.properties.enable_purge_protection, True)
    equal(made.properties.vault_uri, f"https://{VAULT}.vault.azure.net/")
    return made


@step("a key is created, found with its version and in the list of its versions")
def key():
    made = vaults.keys.create_if_not_exist(
        GROUP, VAULT, KEY, {"properties": {"kty": "RSA", "keySize": 2048}}
    )
    read = vaults.keys.get(GROUP, VAULT, KEY)
    equal(read.properties.key_uri_with_version, made.properties.key_uri_with_version)
    version = read.properties.key_uri_with_version.rsplit("/", 1)[1]
    equal(vaults.keys.get_version(GROUP, VAULT, KEY, version).properties.attributes.enabled, True)
    listed = [each.id.rsplit("/", 1)[1] for each in vaults.keys.list_versions(GROUP, VAULT, KEY)]
    equal(listed, [version])
    return read


@step("a user-assigned identity is created")
def identity():
    made = identities.user_assigned_identities.create_or_update(GROUP, IDENTITY, {"location": LOCATION})
    uuid.UUID(made.principal_id)
    return made


@step("a workspace is created")
def workspace():
    made = health_care.workspaces.begin_create_or_update(
        GROUP, WORKSPACE, health_models.Workspace(location=LOCATION)
    ).result()
    equal(made.properties.provisioning_state, "Succeeded")
    return made


@step("a DICOM service is created, on Microsoft's keys")
def service():
    made = health_care.dicom_services.begin_create_or_update(
        GROUP,
        WORKSPACE,
        SERVICE,
        health_models.DicomService(
            location=LOCATION,
            tags={"team": "imaging"},
            cors_configuration=health_models.CorsConfiguration(origins=["https://viewer.example"]),
        ),
    ).result()
    equal(made.provisioning_state, "Succeeded")
    equal(made.encryption, None)
    return made


@step("the service gets a system-assigned identity by PATCH, and keeps the rest")
def patched():
    made = health_care.dicom_services.begin_update(
        GROUP,
        SERVICE,
        WORKSPACE,
        health_models.DicomServicePatchResource(
            identity=health_models.ServiceManagedIdentityIdentity(type="SystemAssigned")
        ),
    ).result()
    uuid.UUID(made.identity.principal_id)
    equal(made.tags, {"team": "imaging"})
    equal(made.cors_configuration.origins, ["https://viewer.example"])
    return made


@step("a role on the key that the identity has not is told: the key is not taken")
def refusal():
    refused_operation = set_key(key.properties.key_uri_with_version)
    try:
        refused_operation.result()
    except HttpResponseError as error:
        assert error.error and error.error.code, "the refusal has no code"
    else:
        raise AssertionError("was not refused")
    equal(health_care.dicom_services.get(GROUP, WORKSPACE, SERVICE).encryption, None)


@step("the role is found by its name and assigned to the identity, once")
def assignment():
    (role,) = rights.role_definitions.list(vault.id, filter=f"roleName eq '{ROLE}'")
    equal(role.role_name, ROLE)
    wish = {
        "role_definition_id": role.id,
        "principal_id": patched.identity.principal_id,
        "principal_type": "ServicePrincipal",
    }
    made = rights.role_assignments.create(vault.id, str(uuid.uuid4()), wish)
    equal(made.principal_id, patched.identity.principal_id)
    refused(
        "RoleAssignmentExists",
        lambda: rights.role_assignments.create(vault.id, str(uuid.uuid4()), wish),
    )
    return made


@step("the assignment shows in the list of the vault")
def listed():
    wanted = f"principalId eq '{patched.identity.principal_id}'"
    eventually(
        lambda: [each.id for each in rights.role_assignments.list_for_scope(vault.id, filter=wanted)],
        [assignment.id],
    )


@step("the whole service is PUT with the key, once the role works")
def encrypted():
    url = key.properties.key_uri_with_version

    def attempt():
        try:
            made = set_key(url).result()
        except HttpResponseError:
            return None
        return made.encryption.customer_managed_key_encryption.key_encryption_key_url

    eventually(attempt, url)
    equal(key_url(), url)


@step("Resource Health calls the service available")
def healthy():
    eventually(health, "Available")


@step("the key is disabled: Resource Health tells it")
def lost():
    portal("key", f"{VAULT}/{KEY}", "disabled")
    eventually(health, "Degraded")


@step("the key is enabled in time: the service is available again by itself")
def regained():
    portal("key", f"{VAULT}/{KEY}", "enabled")
    eventually(health, "Available")


@step("the key is disabled for too long: the service is not available")
def lost_for_long():
    portal("key", f"{VAULT}/{KEY}", "disabled")
    eventually(health, "Unavailable")


@step("the key is enabled, the unchanged service is PUT: the service is available again")
def revalidated():
    portal("key", f"{VAULT}/{KEY}", "enabled")
    set_key(key_url()).result()
    eventually(health, "Available")


@step("the user-assigned identity replaces the system-assigned one by PATCH")
def replaced():
    made = health_care.dicom_services.begin_update(
        GROUP,
        SERVICE,
        WORKSPACE,
        health_models.DicomServicePatchResource(
            identity=health_models.ServiceManagedIdentityIdentity(
                type="UserAssigned", user_assigned_identities={identity.id: {}}
            )
        ),
    ).result()
    (attached,) = made.identity.user_assigned_identities.values()
    equal(attached.principal_id, identity.principal_id)


@step("health of all resources is listed, page by page, with the service among them")
def inventory():
    ids = [
        each.id.lower().split("/providers/microsoft.resourcehealth/")[0]
        for each in availability.availability_statuses.list_by_resource_group(GROUP)
    ]
    assert service.id.lower() in ids, f"{service.id} is not among {ids}"


@step("the service, the workspace and the assignment are deleted, the vault softly")
def deleted():
    health_care.dicom_services.begin_delete(GROUP, SERVICE, WORKSPACE).result()
    health_care.workspaces.begin_delete(GROUP, WORKSPACE).result()
    rights.role_assignments.delete_by_id(assignment.id)
    identities.user_assigned_identities.delete(GROUP, IDENTITY)
    vaults.vaults.delete(GROUP, VAULT)
    equal(vaults.vaults.get_deleted(VAULT, LOCATION).properties.vault_id.lower(), vault.id.lower())
    try:
        health_care.dicom_services.get(GROUP, WORKSPACE, SERVICE)
    except ResourceNotFoundError:
        pass
    else:
        raise AssertionError("the service is still there")


@step("the resource group is deleted")
def group_deleted():
    groups.resource_groups.begin_delete(GROUP, polling_interval=1).result()
    equal(groups.resource_groups.check_existence(GROUP), False)


finish()
