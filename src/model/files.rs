//! The files of a model directory: read from disk or from inside the binary, written by temporary directory and rename.
//!
//! Tensors may be stored as f32, f16 or 8 bits a value with one scale a row; they are always f32 once loaded.

use candle_core::{DType, Device, Tensor};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

pub const CONFIG: &str = "config.json";
pub const CARD: &str = "card.json";
pub const TOKENIZER: &str = "tokenizer.json";
pub const WEIGHTS: &str = "model.safetensors";

#[derive(thiserror::Error, Debug)]
pub enum FilesError {
    #[error("{path}: {source}")]
    Io {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{dir} is not a redress model: it has no {file}")]
    Missing { dir: String, file: &'static str },
    #[error("{file} is damaged or from another program: {reason}")]
    Damaged { file: String, reason: String },
}

/// Where a model's files are.
#[derive(Clone, Copy)]
pub enum Source<'a> {
    Dir(&'a Path),
    /// (file name, content): the embedded model.
    Bytes(&'a [(&'static str, &'static [u8])]),
}

impl Source<'_> {
    pub fn describe(&self) -> String {
        match self {
            Source::Dir(dir) => dir.display().to_string(),
            Source::Bytes(_) => "the embedded model".to_owned(),
        }
    }

    pub fn read(&self, file: &'static str) -> Result<Cow<'static, [u8]>, FilesError> {
        let missing = || FilesError::Missing {
            dir: self.describe(),
            file,
        };
        match self {
            Source::Bytes(files) => files
                .iter()
                .find(|(name, _)| *name == file)
                .map(|(_, bytes)| Cow::Borrowed(*bytes))
                .ok_or_else(missing),
            Source::Dir(dir) => {
                let path = dir.join(file);
                match fs::read(&path) {
                    Ok(bytes) => Ok(Cow::Owned(bytes)),
                    Err(e) if e.kind() == std::io::ErrorKind::NotFound => Err(missing()),
                    Err(source) => Err(FilesError::Io { path, source }),
                }
            }
        }
    }
}

impl Source<'_> {
    /// A file that a model may lack.
    pub fn read_optional(
        &self,
        file: &'static str,
    ) -> Result<Option<Cow<'static, [u8]>>, FilesError> {
        match self.read(file) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(FilesError::Missing { .. }) => Ok(None),
            Err(other) => Err(other),
        }
    }
}

impl Source<'_> {
    /// Those of `files` that the model has.
    pub fn read_those(
        &self,
        files: &[&'static str],
    ) -> Result<Vec<(&'static str, Vec<u8>)>, FilesError> {
        let mut found = Vec::new();
        for file in files {
            if let Some(bytes) = self.read_optional(file)? {
                found.push((*file, bytes.into_owned()));
            }
        }
        Ok(found)
    }
}

/// How weights are stored.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    F32,
    F16,
    /// Matrices at 8 bits a value with one f32 scale a row (largest magnitude / 127); vectors stay f32.
    Int8,
}

const SCALE_SUFFIX: &str = "#scale";

/// safetensors bytes of `tensors` in name order: equal tensors give equal bytes.
pub fn encode_tensors(
    tensors: &BTreeMap<String, Tensor>,
    precision: Precision,
) -> candle_core::Result<Vec<u8>> {
    let mut stored: BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)> = BTreeMap::new();
    for (name, tensor) in tensors {
        let shape = tensor.dims().to_vec();
        let values: Vec<f32> = tensor
            .to_device(&Device::Cpu)?
            .to_dtype(DType::F32)?
            .flatten_all()?
            .to_vec1()?;
        match precision {
            Precision::Int8 if shape.len() >= 2 => {
                let width = shape[shape.len() - 1].max(1);
                let (codes, scales) = quantize(&values, width);
                let bytes = scales.iter().flat_map(|s| s.to_le_bytes()).collect();
                stored.insert(
                    format!("{name}{SCALE_SUFFIX}"),
                    (Dtype::F32, vec![scales.len()], bytes),
                );
                stored.insert(name.clone(), (Dtype::U8, shape, codes));
            }
            Precision::F16 if shape.len() >= 2 => {
                let bytes = values
                    .iter()
                    .flat_map(|v| half::f16::from_f32(*v).to_le_bytes())
                    .collect();
                stored.insert(name.clone(), (Dtype::F16, shape, bytes));
            }
            _ => {
                let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
                stored.insert(name.clone(), (Dtype::F32, shape, bytes));
            }
        }
    }
    let views = stored
        .iter()
        .map(|(name, (dtype, shape, bytes))| {
            Ok((name, TensorView::new(*dtype, shape.clone(), bytes)?))
        })
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()
        .map_err(candle_core::Error::wrap)?;
    safetensors::serialize(views, None).map_err(candle_core::Error::wrap)
}

/// The tensors of [`encode_tensors`], as f32 on the CPU. `file` names the bytes in errors.
pub fn decode_tensors(bytes: &[u8], file: &str) -> Result<BTreeMap<String, Tensor>, FilesError> {
    let damaged = |reason: String| FilesError::Damaged {
        file: file.to_owned(),
        reason,
    };
    let archive = SafeTensors::deserialize(bytes).map_err(|e| damaged(e.to_string()))?;
    let mut tensors = BTreeMap::new();
    for (name, view) in archive.tensors() {
        if name.ends_with(SCALE_SUFFIX) {
            continue;
        }
        let values = match view.dtype() {
            Dtype::F32 => floats(view.data()),
            Dtype::F16 => halves(view.data()),
            Dtype::U8 => {
                let scales = archive
                    .tensor(&format!("{name}{SCALE_SUFFIX}"))
                    .map_err(|_| damaged(format!("`{name}` has no scales")))?;
                dequantize(view.data(), &floats(scales.data()))
                    .ok_or_else(|| damaged(format!("`{name}` does not fit its scales")))?
            }
            other => return Err(damaged(format!("`{name}` is stored as {other:?}"))),
        };
        let tensor = Tensor::from_vec(values, view.shape(), &Device::Cpu)
            .map_err(|e| damaged(e.to_string()))?;
        tensors.insert(name, tensor);
    }
    Ok(tensors)
}

/// Whether [`encode_tensors`] stored some of them at 8 bits; `false` for what it cannot read.
pub fn holds_codes(bytes: &[u8]) -> bool {
    SafeTensors::read_metadata(bytes)
        .is_ok_and(|(_, all)| all.tensors().values().any(|t| t.dtype == Dtype::U8))
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes
        .chunks_exact(4)
        .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
        .collect()
}
fn halves(bytes: &[u8]) -> Vec<f32> {
    bytes
        .chunks_exact(2)
        .map(|b| half::f16::from_le_bytes([b[0], b[1]]).to_f32())
        .collect()
}

/// Symmetric 8-bit codes (128 is zero) and the scale of each row.
fn quantize(values: &[f32], width: usize) -> (Vec<u8>, Vec<f32>) {
    let mut codes = Vec::with_capacity(values.len());
    let mut scales = Vec::with_capacity(values.len() / width);
    for row in values.chunks(width) {
        let scale = row.iter().fold(0f32, |m, v| m.max(v.abs())) / 127.0;
        let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
        codes.extend(
            row.iter()
                .map(|v| ((v * inverse).round() as i32 + 128).clamp(1, 255) as u8),
        );
        scales.push(scale);
    }
    (codes, scales)
}

fn dequantize(codes: &[u8], scales: &[f32]) -> Option<Vec<f32>> {
    if scales.is_empty() || !codes.len().is_multiple_of(scales.len()) {
        return codes.is_empty().then(Vec::new);
    }
    let width = codes.len() / scales.len();
    let row = |(row, scale): (&[u8], &f32)| -> Vec<f32> {
        row.iter()
            .map(|c| (i32::from(*c) - 128) as f32 * scale)
            .collect()
    };
    Some(
        codes
            .chunks(width.max(1))
            .zip(scales)
            .flat_map(row)
            .collect(),
    )
}

/// First eight bytes of a SHA-256 over length-prefixed parts.
pub fn short_hash<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> u64 {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let digest: [u8; 32] = hash.finalize().into();
    u64::from_be_bytes(std::array::from_fn(|i| digest[i]))
}

/// Writes a directory as a whole, never a mixture of old and new: if the program dies between the two renames the old
/// one is left whole as `.redress-old-PID` beside it. What stood at `dir` before
/// must be a directory of the same kind (it has `marker`) or be absent.
pub fn replace_dir(dir: &Path, marker: &str, files: &[(&str, Vec<u8>)]) -> Result<(), FilesError> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| FilesError::Io { path, source }
    };
    if dir.exists()
        && !dir.join(marker).exists()
        && fs::read_dir(dir).map_err(io(dir))?.next().is_some()
    {
        return Err(FilesError::Damaged {
            file: dir.display().to_string(),
            reason: format!(
                "it is a directory without {marker}; choose another place rather than lose what is there"
            ),
        });
    }
    let parent = match dir.parent() {
        Some(p) if !p.as_os_str().is_empty() => p,
        _ => Path::new("."),
    };
    fs::create_dir_all(parent).map_err(io(parent))?;
    let fresh = tempfile::Builder::new()
        .prefix(".redress-")
        .tempdir_in(parent)
        .map_err(io(parent))?;
    for (name, bytes) in files {
        let path = fresh.path().join(name);
        let mut file = fs::File::create(&path).map_err(io(&path))?;
        file.write_all(bytes)
            .and_then(|()| file.sync_all())
            .map_err(io(&path))?;
    }
    let old = parent.join(format!(".redress-old-{}", std::process::id()));
    if dir.exists() {
        fs::rename(dir, &old).map_err(io(dir))?;
    }
    fs::rename(fresh.path(), dir).map_err(io(dir))?;
    if let Ok(parent) = fs::File::open(parent) {
        // Some file systems cannot sync a directory; the rename itself is atomic all the same.
        let _ = parent.sync_all();
    }
    if old.exists() {
        fs::remove_dir_all(&old).map_err(io(&old))?;
    }
    Ok(())
}

/// Puts `files` into an existing directory of the kind `marker`, beside or in place of what it has; as a whole, like
/// [`replace_dir`].
pub fn add_to_dir(
    dir: &Path,
    marker: &'static str,
    files: Vec<(&'static str, Vec<u8>)>,
) -> Result<(), FilesError> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| FilesError::Io { path, source }
    };
    if !dir.join(marker).is_file() {
        return Err(FilesError::Missing {
            dir: dir.display().to_string(),
            file: marker,
        });
    }
    let mut all: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for entry in fs::read_dir(dir).map_err(io(dir))? {
        let path = entry.map_err(io(dir))?.path();
        if let (true, Some(name)) = (path.is_file(), path.file_name().and_then(|n| n.to_str())) {
            all.insert(name.to_owned(), fs::read(&path).map_err(io(&path))?);
        }
    }
    all.extend(files.into_iter().map(|(n, bytes)| (n.to_owned(), bytes)));
    let all: Vec<(&str, Vec<u8>)> = all
        .iter_mut()
        .map(|(n, b)| (&**n, std::mem::take(b)))
        .collect();
    replace_dir(dir, marker, &all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> BTreeMap<String, Tensor> {
        let matrix = Tensor::new(&[[1.0f32, -0.5, 0.25], [0.0, 0.0, 0.0]], &Device::Cpu).unwrap();
        let vector = Tensor::new(&[0.1f32, -7.3], &Device::Cpu).unwrap();
        BTreeMap::from([("enc.w".to_owned(), matrix), ("enc.b".to_owned(), vector)])
    }

    #[test]
    fn weights_come_back_within_the_precision_they_were_stored_at() {
        let check = |precision, tolerance: f32| {
            let bytes = encode_tensors(&sample(), precision).unwrap();
            let back = decode_tensors(&bytes, "t").unwrap();
            for (name, tensor) in sample() {
                let want: Vec<f32> = tensor.flatten_all().unwrap().to_vec1().unwrap();
                let got: Vec<f32> = back[&name].flatten_all().unwrap().to_vec1().unwrap();
                for (got, want) in got.iter().zip(&want) {
                    assert!(
                        (got - want).abs() <= tolerance,
                        "{precision:?} {name} {got} {want}"
                    );
                }
            }
        };
        check(Precision::F32, 0.0);
        check(Precision::F16, 1e-3);
        check(Precision::Int8, 1.0 / 254.0 + 1e-6);
    }

    #[test]
    fn damaged_weights_are_refused_not_read() {
        let bytes = encode_tensors(&sample(), Precision::Int8).unwrap();
        for cut in [0, 4, bytes.len() / 2, bytes.len() - 1] {
            assert!(decode_tensors(&bytes[..cut], "m").is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn a_directory_is_replaced_as_a_whole_and_a_foreign_one_is_left_alone() {
        let tmp = tempfile::tempdir().unwrap();
        let dir = tmp.path().join("model");
        let write = |text: &str| {
            replace_dir(
                &dir,
                CONFIG,
                &[(CONFIG, text.into()), (CARD, b"{}".to_vec())],
            )
        };
        write("1").unwrap();
        write("2").unwrap();
        assert_eq!(fs::read_to_string(dir.join(CONFIG)).unwrap(), "2");
        assert_eq!(
            fs::read_dir(tmp.path()).unwrap().count(),
            1,
            "nothing left over"
        );
        let foreign = tmp.path().join("photos");
        fs::create_dir(&foreign).unwrap();
        fs::write(foreign.join("cat.png"), "x").unwrap();
        assert!(replace_dir(&foreign, CONFIG, &[(CONFIG, b"1".to_vec())]).is_err());
        assert!(foreign.join("cat.png").exists());
    }
}
