# The whole flow of a customer-managed key in Terraform with HashiCorp's azurerm, as a platform team
# writes it. It believes that it talks to Azure: HTTPS_PROXY leads Azure's host names to the simulator.

terraform {
  required_providers {
    azurerm = { source = "hashicorp/azurerm" }
  }
}

provider "azurerm" {
  features {}
  tenant_id       = local.tenant
  subscription_id = "11111111-1111-1111-1111-111111111111"
  client_id       = "44444444-4444-4444-4444-444444444444"
  client_secret   = "any secret will do"
}

# The key url is set in a second run, when the role works; without one the keys are Microsoft's.
variable "encrypted" {
  type    = bool
  default = false
}

locals {
  tenant = "99999999-9999-9999-9999-999999999999"
}

resource "azurerm_resource_group" "group" {
  name     = "azurerm-imaging"
  location = "westeurope"
}

resource "azurerm_key_vault" "vault" {
  name                       = "azurerm-keys"
  resource_group_name        = azurerm_resource_group.group.name
  location                   = azurerm_resource_group.group.location
  tenant_id                  = local.tenant
  sku_name                   = "premium"
  rbac_authorization_enabled = true
  purge_protection_enabled   = true
}

# Made at the vault's own host, where azurerm reads it too.
resource "azurerm_key_vault_key" "key" {
  name         = "dicom-cmk"
  key_vault_id = azurerm_key_vault.vault.id
  key_type     = "RSA"
  key_size     = 2048
  key_opts     = ["wrapKey", "unwrapKey"]
}

resource "azurerm_healthcare_workspace" "workspace" {
  name                = "azurermclinic"
  resource_group_name = azurerm_resource_group.group.name
  location            = azurerm_resource_group.group.location
}

resource "azurerm_healthcare_dicom_service" "service" {
  name               = "radiology"
  workspace_id       = azurerm_healthcare_workspace.workspace.id
  location           = azurerm_resource_group.group.location
  encryption_key_url = var.encrypted ? azurerm_key_vault_key.key.id : null
  tags               = { team = "imaging" }
  identity { type = "SystemAssigned" }
}

resource "azurerm_role_assignment" "assignment" {
  scope                = azurerm_key_vault.vault.id
  role_definition_name = "Key Vault Crypto Service Encryption User"
  principal_id         = azurerm_healthcare_dicom_service.service.identity[0].principal_id
  principal_type       = "ServicePrincipal"
}

output "key" {
  value = azurerm_key_vault_key.key.id
}
