//! Files that a command writes: each is there whole or not at all, and what was there before survives a failure.

use std::fs::{self, File, Permissions};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use tempfile::{NamedTempFile, TempPath};

/// A place that can be written to, and what is to go there.
pub struct Output {
    /// What it is called in errors.
    name: String,
    /// Absolute, without symbolic links: two names of one place are seen to be one.
    place: PathBuf,
    /// Of the file that is there already.
    permissions: Option<Permissions>,
    file: Option<NamedTempFile>,
}

impl Output {
    /// Looks whether a file can be written there, before any work is done for it.
    pub fn at(path: &Path) -> Result<Output, String> {
        Output::at_unnamed(path).map_err(|reason| format!("{}: {reason}", path.display()))
    }

    fn at_unnamed(path: &Path) -> Result<Output, String> {
        let there = match fs::metadata(path) {
            Ok(there) => Some(there),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error.to_string()),
        };
        let place = match &there {
            Some(there) if there.is_dir() => return Err("is a folder".into()),
            Some(there) if !there.is_file() => return Err("is not a regular file".into()),
            Some(there) if there.permissions().readonly() => return Err("is read-only".into()),
            Some(_) => path.canonicalize().map_err(|error| error.to_string())?,
            None => new_place(path)?,
        };
        // It has no name, so that nothing is left there however the command ends.
        tempfile::tempfile_in(folder(&place)).map_err(|error| format!("cannot be written: {error}"))?;
        let permissions = there.map(|there| there.permissions());
        Ok(Output { name: path.display().to_string(), place, permissions, file: None })
    }

    /// Writes the content beside its place.
    pub fn write(&mut self, content: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), String> {
        let file = self.fill(content).map_err(|error| format!("{}: {error}", self.name))?;
        self.file = Some(file);
        Ok(())
    }

    fn fill(&self, content: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<NamedTempFile> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(".fused-loss-").suffix(".tmp");
        // Temporary files are private by nature, but this one will be a file like any other.
        #[cfg(unix)]
        let builder = builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let mut file = builder.tempfile_in(folder(&self.place))?;
        let mut writer = BufWriter::new(file.as_file_mut());
        content(&mut writer)?;
        writer.flush()?;
        drop(writer);
        let file_itself: &File = file.as_file();
        if let Some(permissions) = &self.permissions {
            file_itself.set_permissions(permissions.clone())?;
        }
        // Renamed before its data is on the disk, it could be found empty after a crash.
        file_itself.sync_all()?;
        Ok(file)
    }
}

/// Where a file that is not there yet will be.
fn new_place(path: &Path) -> Result<PathBuf, String> {
    let name = path.file_name().filter(|_| !path.as_os_str().as_encoded_bytes().ends_with(b"/"));
    let name = name.ok_or("is not the name of a file")?;
    let folder = folder(path);
    let there = folder.canonicalize().map_err(|error| format!("its folder: {error}"))?;
    if !there.is_dir() {
        return Err("its folder is not a folder".into());
    }
    Ok(there.join(name))
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// An error where two outputs go to one place.
pub fn check_apart(outputs: &[&Output]) -> Result<(), String> {
    for (index, output) in outputs.iter().enumerate() {
        if let Some(other) = outputs[..index].iter().find(|other| other.place == output.place) {
            return Err(format!("{} and {} are the same file, for two outputs", other.name, output.name));
        }
    }
    Ok(())
}

/// Renames what has been written to its place: the last step. Where one cannot be renamed, those before it are undone.
pub fn commit(outputs: impl IntoIterator<Item = Output>) -> Result<(), String> {
    let mut done = Vec::new();
    for Output { name, place, permissions, file } in outputs {
        let Some(file) = file else { continue };
        // Another name for what is there, where the file system has such.
        let before = permissions.map(|_| {
            let mut builder = tempfile::Builder::new();
            let link = builder.prefix(".fused-loss-").suffix(".tmp");
            link.make_in(folder(&place), |name| fs::hard_link(&place, name)).map(|link| link.into_temp_path())
        });
        if let Err(error) = file.persist(&place) {
            for (place, before) in done.into_iter().rev() {
                undo(place, before);
            }
            return Err(format!("{name}: {}", error.error));
        }
        done.push((place, before));
    }
    Ok(())
}

/// Puts back what was there. Nobody can be told where that fails too: the first error is the one that counts.
fn undo(place: PathBuf, before: Option<io::Result<TempPath>>) {
    match before {
        Some(Ok(before)) => _ = before.persist(&place),
        Some(Err(_)) => {}
        None => _ = fs::remove_file(&place),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_there_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let [there, new, last] = ["there", "new", "last"].map(|name| folder.path().join(name));
        fs::write(&there, "old").unwrap();
        let mut outputs = [&there, &new, &last].map(|path| Output::at(path).unwrap());
        for output in &mut outputs {
            output.write(|out| out.write_all(b"new")).unwrap();
        }
        // Now no file can be renamed to it.
        fs::create_dir(&last).unwrap();
        assert!(commit(outputs).unwrap_err().starts_with(last.to_str().unwrap()));
        assert_eq!(fs::read_to_string(&there).unwrap(), "old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "a new file or a link is left");
    }
}
