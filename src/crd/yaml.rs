//! The custom resource definition as YAML, for `kubectl apply`.

use kube::CustomResourceExt as _;

use super::DicomEncryption;

/// Tells a reader where the file comes from.
const HEADER: &str = "# Generated from src/crd by `make crd`: do not edit.\n";

/// The custom resource definition as YAML.
///
/// # Errors
/// None in practice: the definition is made of constants, and a test makes it.
pub fn yaml() -> Result<String, serde_saphyr::ser::Error> {
    Ok(format!(
        "{HEADER}{}",
        serde_saphyr::to_string(&DicomEncryption::crd())?
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_definition_is_the_generated_one() {
        let committed = include_str!("../../crds/dicomencryptions.yaml");
        assert!(
            committed == yaml().unwrap(),
            "crds/ is out of date: run `make crd`"
        );
    }
}
