//! Writes whole files or none: to a temporary file beside the target, to the disk, then renamed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use tempfile::Builder;

/// What to do about a file that is there already.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Overwrite {
    Refuse,
    Replace,
}

impl Overwrite {
    /// Replaces only where whoever asked said so.
    pub fn forced(force: bool) -> Self {
        if force { Self::Replace } else { Self::Refuse }
    }
}

#[derive(thiserror::Error, Debug)]
pub enum ExportError {
    #[error("{0}: there is a file already; choose another name, or say to replace it")]
    Exists(PathBuf),
    #[error("{0}: not a regular file, so it cannot be replaced; `-` writes to standard output")]
    NotAFile(PathBuf),
    #[error("{path}: cannot write: {source}; nothing was changed")]
    Io { path: PathBuf, source: io::Error },
}

/// Calls `write` with a buffered writer; if it succeeds, its bytes become the file at `path`, complete and on disk. If
/// anything fails, `path` is as before. A symbolic link keeps pointing where it did; its target is replaced.
pub fn write_atomically<T>(
    path: &Path,
    overwrite: Overwrite,
    write: impl FnOnce(&mut dyn Write) -> io::Result<T>,
) -> Result<T, ExportError> {
    let failed = |source| ExportError::Io {
        path: path.to_owned(),
        source,
    };
    if path.symlink_metadata().is_ok() && overwrite == Overwrite::Refuse {
        return Err(ExportError::Exists(path.to_owned()));
    }
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    if target.metadata().is_ok_and(|m| !m.is_file()) {
        return Err(ExportError::NotAFile(path.to_owned()));
    }
    let folder = match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    let mut builder = Builder::new();
    builder.prefix(".redress-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // As any new file: the process's umask takes its share.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let file = builder.tempfile_in(&folder).map_err(failed)?;
    let mut out = BufWriter::new(file);
    let value = write(&mut out).map_err(failed)?;
    let file = out.into_inner().map_err(|e| failed(e.into_error()))?;
    file.as_file().sync_all().map_err(failed)?;
    match overwrite {
        Overwrite::Replace => file.persist(&target).map_err(|e| failed(e.error))?,
        Overwrite::Refuse => file
            .persist_noclobber(&target)
            .map_err(|e| match e.error.kind() {
                io::ErrorKind::AlreadyExists => ExportError::Exists(path.to_owned()),
                _ => failed(e.error),
            })?,
    };
    sync_folder(&folder).map_err(failed)?;
    Ok(value)
}

/// The rename itself must reach the disk.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) {
        let folder: File = OpenOptions::new().read(true).open(folder)?;
        folder.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_whole_or_as_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.json");
        let check = |overwrite, text: &str, fails: bool, ok: bool, after: &str| {
            let result = write_atomically(&path, overwrite, |out| {
                out.write_all(text.as_bytes())?;
                if fails {
                    return Err(io::Error::other("the disk is full"));
                }
                Ok(())
            });
            assert_eq!(result.is_ok(), ok, "{overwrite:?} {text}");
            let content = fs::read_to_string(&path).unwrap_or_default();
            assert_eq!(content, after, "{overwrite:?} {text}");
            let left: Vec<String> = names(folder.path());
            assert!(left.is_empty() || left == ["out.json"], "{left:?}");
        };
        check(Overwrite::Refuse, "a", true, false, "");
        check(Overwrite::Refuse, "b", false, true, "b");
        check(Overwrite::Refuse, "c", false, false, "b");
        check(Overwrite::Replace, "d", true, false, "b");
        check(Overwrite::Replace, "e", false, true, "e");
    }

    #[test]
    fn folders_and_missing_folders_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &Path| write_atomically(path, Overwrite::Replace, |_| Ok(()));
        assert!(matches!(
            write(folder.path()),
            Err(ExportError::NotAFile(_))
        ));
        let missing = folder.path().join("no/such.json");
        assert!(matches!(write(&missing), Err(ExportError::Io { .. })));
    }

    #[cfg(unix)]
    #[test]
    fn links_keep_pointing_and_modes_are_usual() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real"), folder.path().join("link"));
        fs::write(&real, "old").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        write_atomically(&link, Overwrite::Replace, |out| out.write_all(b"new")).unwrap();
        assert_eq!(fs::read_to_string(&real).unwrap(), "new");
        assert!(link.symlink_metadata().unwrap().is_symlink());
        let usual = folder.path().join("usual");
        fs::write(&usual, "").unwrap();
        let mode = |p: &Path| p.metadata().unwrap().permissions().mode();
        assert_eq!(mode(&real), mode(&usual));
    }
}
