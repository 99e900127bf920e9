# The whole flow of a customer-managed key in Terraform with Microsoft's azapi, as a platform team
# writes it. It believes that it talks to Azure: HTTPS_PROXY leads Azure's host names to the simulator.

terraform {
  required_providers {
    azapi = { source = "azure/azapi" }
  }
}

provider "azapi" {
  tenant_id       = local.tenant
  subscription_id = local.subscription
  client_id       = "44444444-4444-4444-4444-444444444444"
  client_secret   = "any secret will do"
}

# The key url is set in a second run, when the role works; empty stands for Microsoft's keys.
variable "encrypted" {
  type    = bool
  default = false
}

locals {
  tenant          = "99999999-9999-9999-9999-999999999999"
  subscription    = "11111111-1111-1111-1111-111111111111"
  location        = "westeurope"
  encryption_user = "e147488a-f6f5-4113-8e2d-b22465e65bf6"
}

resource "azapi_resource" "group" {
  type     = "Microsoft.Resources/resourceGroups@2021-04-01"
  name     = "terraform-imaging"
  location = local.location
}

resource "azapi_resource" "vault" {
  type      = "Microsoft.KeyVault/vaults@2023-07-01"
  name      = "terraform-keys"
  parent_id = azapi_resource.group.id
  location  = local.location
  body = {
    properties = {
      tenantId                  = local.tenant
      sku                       = { family = "A", name = "premium" }
      enableRbacAuthorization   = true
      enablePurgeProtection     = true
      softDeleteRetentionInDays = 90
      accessPolicies            = []
    }
  }
}

# An action, as in azapi's own example: ARM makes keys, but neither changes nor deletes them.
resource "azapi_resource_action" "key" {
  type                   = "Microsoft.KeyVault/vaults/keys@2023-07-01"
  resource_id            = "${azapi_resource.vault.id}/keys/dicom-cmk"
  method                 = "PUT"
  response_export_values = ["properties.keyUriWithVersion"]
  body = {
    properties = { kty = "RSA", keySize = 2048, keyOps = ["wrapKey", "unwrapKey"] }
  }
}

resource "azapi_resource" "workspace" {
  type      = "Microsoft.HealthcareApis/workspaces@2023-11-01"
  name      = "terraformclinic"
  parent_id = azapi_resource.group.id
  location  = local.location
  body      = { properties = {} }
}

resource "azapi_resource" "service" {
  type      = "Microsoft.HealthcareApis/workspaces/dicomservices@2023-11-01"
  name      = "radiology"
  parent_id = azapi_resource.workspace.id
  location  = local.location
  tags      = { team = "imaging" }
  identity { type = "SystemAssigned" }
  body = {
    properties = {
      encryption = {
        customerManagedKeyEncryption = {
          keyEncryptionKeyUrl = var.encrypted ? azapi_resource_action.key.output.properties.keyUriWithVersion : ""
        }
      }
    }
  }
}

resource "azapi_resource" "assignment" {
  type      = "Microsoft.Authorization/roleAssignments@2022-04-01"
  name      = uuidv5("url", "${azapi_resource.vault.id}/radiology")
  parent_id = azapi_resource.vault.id
  body = {
    properties = {
      roleDefinitionId = "/subscriptions/${local.subscription}/providers/Microsoft.Authorization/roleDefinitions/${local.encryption_user}"
      principalId      = azapi_resource.service.identity[0].principal_id
      principalType    = "ServicePrincipal"
    }
  }
}

output "key" {
  value = azapi_resource_action.key.output.properties.keyUriWithVersion
}
