//! The folders of the program (XDG on Linux, their kin elsewhere).

use directories::ProjectDirs;
use std::path::{Path, PathBuf};

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Paths {
    /// `config.toml`, `keymap.toml`, `themes/`.
    pub config: PathBuf,
    /// Workspaces.
    pub data: PathBuf,
    /// Indexes: may be deleted at any time.
    pub cache: PathBuf,
    /// The log.
    pub state: PathBuf,
}

impl Paths {
    /// `None` when the system names no home folder.
    pub fn of_user() -> Option<Self> {
        let dirs = ProjectDirs::from("", "", "redress")?;
        Some(Self {
            config: dirs.config_dir().to_owned(),
            data: dirs.data_dir().to_owned(),
            cache: dirs.cache_dir().to_owned(),
            state: dirs
                .state_dir()
                .unwrap_or_else(|| dirs.data_local_dir())
                .to_owned(),
        })
    }

    /// All four below one folder.
    pub fn under(root: &Path) -> Self {
        let below = |name| root.join(name);
        Self {
            config: below("config"),
            data: below("data"),
            cache: below("cache"),
            state: below("state"),
        }
    }

    pub fn config_file(&self) -> PathBuf {
        self.config.join("config.toml")
    }
    pub fn keymap_file(&self) -> PathBuf {
        self.config.join("keymap.toml")
    }
    pub fn themes(&self) -> PathBuf {
        self.config.join("themes")
    }
    /// Workspaces that nobody placed elsewhere: the default one and the demo.
    pub fn workspaces(&self) -> PathBuf {
        self.data.join("workspaces")
    }
    pub fn log_file(&self) -> PathBuf {
        self.state.join("redress.log")
    }
}
