//! Files that a command writes: each is there whole or not at all, and what was there before survives a failure.

use std::fs::{self, File, Permissions};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

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

/// Renames what has been written to its place: the last step, when nothing else can fail any more.
pub fn commit(outputs: impl IntoIterator<Item = Output>) -> Result<(), String> {
    for Output { name, place, file, .. } in outputs {
        if let Some(file) = file {
            file.persist(&place).map_err(|error| format!("{name}: {}", error.error))?;
        }
    }
    Ok(())
}
