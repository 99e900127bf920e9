use super::*;

/// A folder of its own for one test, gone afterwards.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../target/controlplane/tests")
            .join(format!("{name}-{}", process::id()));
        fs::create_dir_all(&folder).unwrap();
        Self(fs::canonicalize(folder).unwrap())
    }

    fn with(self, tools: &[Tool]) -> Self {
        for tool in tools {
            fs::write(self.0.join(tool.file_name()), "").unwrap();
        }
        self
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

#[test]
fn a_given_folder_without_a_binary_is_refused_and_the_binary_named() {
    let folder = Scratch::new("given-missing").with(&[Tool::Etcd, Tool::ApiServer]);
    let error = Given::open(&folder.0).unwrap_err().to_string();
    assert!(error.contains("has no kubectl:"), "{error}");
}

#[test]
fn a_given_folder_may_lack_the_controller_manager() {
    let folder = Scratch::new("given").with(&Tool::BASE);
    let given = Given::open(&folder.0).unwrap();
    assert_eq!(given.file(Tool::ControllerManager), None);
    assert_eq!(given.file(Tool::Etcd), Some(folder.0.join("etcd")));
}

#[test]
fn a_binary_in_the_cache_is_used_as_it_is() {
    let folder = Scratch::new("cache");
    let cache = Cache::open(&folder.0, GoModule::ControlPlane).unwrap();
    fs::create_dir_all(&cache.folder).unwrap();
    let file = cache.folder.join("kubectl");
    fs::write(&file, "as it was").unwrap();
    assert_eq!(cache.find_or_build(Tool::Kubectl).unwrap(), file);
    assert_eq!(fs::read_to_string(&file).unwrap(), "as it was");
}

#[test]
fn the_cache_is_kept_by_version() {
    let cache = Cache::open(Path::new("/caches"), GoModule::ControlPlane).unwrap();
    let version = GoModule::ControlPlane.version().unwrap();
    let name = cache.folder.file_name().unwrap().to_str().unwrap();
    assert!(name.starts_with(&format!("{version}-")), "{name}");
    assert!(cache.folder.starts_with("/caches/dicomenc/controlplane"));
}

#[test]
fn a_binary_that_was_not_asked_for_is_an_error() {
    let assets = Assets {
        files: BTreeMap::from([(Tool::Etcd, PathBuf::from("/bin/etcd"))]),
    };
    assert_eq!(assets.path(Tool::Etcd).unwrap(), Path::new("/bin/etcd"));
    assert!(assets.path(Tool::Kubectl).is_err());
    assert_eq!(assets.folders(), [Path::new("/bin")]);
}
