//! Frozen vectors of entities: look-up by link or name, mutual relations, nearest entities, and their file.
//!
//! The file is safetensors: `vectors` [vertices, width] f32 and `names`, UTF-8 bytes of one `key<TAB>name` line a vertex; what
//! made it stands in the metadata. It is written row by row.

use super::MutualError;
use super::graph::Vertex;
use super::line::dot;
use safetensors::tensor::{Dtype, SafeTensors};
use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};

/// Name of the file in a workspace and in a model directory.
pub const FILE: &str = "graph.safetensors";
/// Metadata of a file that this module reads.
const VERSION: (&str, &str) = ("redress_graph", "1");

/// An entity near another.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Near {
    pub row: u32,
    /// Mean of the cosines of both orders.
    pub cosine: f32,
}

/// Vectors by row.
#[derive(Clone, Debug, PartialEq)]
pub struct VectorRows {
    width: usize,
    values: Vec<f32>,
}

impl VectorRows {
    /// `values` [rows, width].
    pub fn new(values: Vec<f32>, width: usize) -> Self {
        Self { width, values }
    }
    /// Width of a vector.
    pub fn width(&self) -> usize {
        self.width
    }
    /// [rows, width].
    pub fn values(&self) -> &[f32] {
        &self.values
    }
    /// Panics beyond the last row, like indexing.
    pub fn vector(&self, row: u32) -> &[f32] {
        &self.values[row as usize * self.width..][..self.width]
    }

    /// MR = U_tail - U_head (golden `MR_0_to_3`): antisymmetric, and MR(a, b) + MR(b, c) = MR(a, c).
    pub fn mutual_relation(&self, head: u32, tail: u32) -> Vec<f32> {
        let pairs = self.vector(tail).iter().zip(self.vector(head));
        pairs.map(|(tail, head)| tail - head).collect()
    }
}

/// Two unit halves for each entity (see [`super::line`]).
#[derive(Clone, Debug, PartialEq)]
pub struct EntityVectors {
    table: VectorRows,
    vertices: Vec<Vertex>,
    rows: HashMap<Box<str>, u32>,
    /// First vertex of each lower-cased name.
    by_name: HashMap<Box<str>, u32>,
    /// What made the vectors, for people: settings and counts.
    pub about: BTreeMap<String, String>,
}

impl EntityVectors {
    /// `values` [vertices, width].
    pub fn new(
        vertices: Vec<Vertex>,
        values: Vec<f32>,
        about: BTreeMap<String, String>,
    ) -> Result<Self, MutualError> {
        let n = vertices.len();
        if n == 0 || values.is_empty() || !values.len().is_multiple_of(n) {
            return Err(MutualError::Vectors {
                place: "entity vectors".to_owned(),
                reason: format!("{} values for {n} entities", values.len()),
            });
        }
        let width = values.len() / n;
        let numbered = || (0u32..).zip(&vertices);
        let rows = numbered().map(|(row, v)| (v.key.clone(), row)).collect();
        let mut by_name = HashMap::new();
        for (row, vertex) in numbered() {
            let name = vertex.name.to_lowercase();
            by_name.entry(name.into_boxed_str()).or_insert(row);
        }
        Ok(Self {
            table: VectorRows::new(values, width),
            rows,
            by_name,
            vertices,
            about,
        })
    }

    pub fn n_entities(&self) -> usize {
        self.vertices.len()
    }
    /// A row an entity.
    pub fn table(&self) -> &VectorRows {
        &self.table
    }
    /// Panics on a row of another table, like indexing.
    pub fn name(&self, row: u32) -> &str {
        &self.vertices[row as usize].name
    }

    /// The row of an entity by its key.
    pub fn row(&self, vertex: &Vertex) -> Option<u32> {
        self.rows.get(&vertex.key).copied()
    }

    /// The row of an entity by its link, else by its name as a key, else by the name of a linked entity; `None`: it was not
    /// in the graph.
    pub fn find(&self, link: Option<&str>, surface: &str) -> Option<u32> {
        if let Some(row) = link.and_then(|id| self.row(&Vertex::of(Some(id), surface))) {
            return Some(row);
        }
        let named = Vertex::of(None, surface);
        let by_name = || self.by_name.get(&*named.name.to_lowercase()).copied();
        self.row(&named).or_else(by_name)
    }

    /// The `n` entities nearest to `row`, best first, itself left out.
    pub fn nearest(&self, row: u32, n: usize) -> Vec<Near> {
        let own = self.table.vector(row);
        let others = (0..self.vertices.len() as u32).filter(|r| *r != row);
        let mut near: Vec<Near> = others
            .map(|row| Near {
                row,
                cosine: dot(own, self.table.vector(row)) / 2.0,
            })
            .collect();
        near.sort_by(|a, b| b.cosine.total_cmp(&a.cosine).then(a.row.cmp(&b.row)));
        near.truncate(n);
        near
    }

    /// Writes the file, row by row.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let names: usize = self
            .vertices
            .iter()
            .map(|v| v.key.len() + v.name.len() + 2)
            .sum();
        let floats = 4 * self.table.values.len();
        let mut about = self.about.clone();
        about.insert(VERSION.0.to_owned(), VERSION.1.to_owned());
        let header = serde_json::json!({
            "__metadata__": about,
            "vectors": {
                "dtype": "F32", "shape": [self.vertices.len(), self.table.width], "data_offsets": [0, floats],
            },
            "names": {"dtype": "U8", "shape": [names], "data_offsets": [floats, floats + names]},
        });
        let mut header = header.to_string();
        // The format wants its data aligned to eight bytes.
        while !header.len().is_multiple_of(8) {
            header.push(' ');
        }
        out.write_all(&(header.len() as u64).to_le_bytes())?;
        out.write_all(header.as_bytes())?;
        for row in self.table.values.chunks(self.table.width) {
            let bytes: Vec<u8> = row.iter().flat_map(|x| x.to_le_bytes()).collect();
            out.write_all(&bytes)?;
        }
        for vertex in &self.vertices {
            writeln!(out, "{}\t{}", vertex.key, vertex.name)?;
        }
        Ok(())
    }

    /// The content of the file `place`.
    pub fn read(bytes: &[u8], place: &str) -> Result<Self, MutualError> {
        let bad = |reason: String| MutualError::Vectors {
            place: place.to_owned(),
            reason,
        };
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(|e| bad(e.to_string()))?;
        let mut about: BTreeMap<String, String> = header
            .metadata()
            .iter()
            .flatten()
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect();
        match about.remove(VERSION.0).as_deref() {
            Some(version) if version == VERSION.1 => {}
            Some(version) => {
                return Err(bad(format!(
                    "it has version {version}, this program reads version {}; update the program",
                    VERSION.1
                )));
            }
            None => return Err(bad("it holds no entity vectors".to_owned())),
        }
        let archive = SafeTensors::deserialize(bytes).map_err(|e| bad(e.to_string()))?;
        let tensor = |name: &str| archive.tensor(name).map_err(|e| bad(e.to_string()));
        let (vectors, names) = (tensor("vectors")?, tensor("names")?);
        if vectors.dtype() != Dtype::F32 || vectors.shape().len() != 2 {
            return Err(bad("`vectors` is no table of f32".to_owned()));
        }
        let floats = vectors.data().chunks_exact(4);
        let values: Vec<f32> = floats
            .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            .collect();
        let names = std::str::from_utf8(names.data()).map_err(|e| bad(e.to_string()))?;
        let vertices: Vec<Vertex> = names
            .lines()
            .map(|line| {
                let (key, name) = line.split_once('\t').unwrap_or((line, line));
                Vertex {
                    key: key.into(),
                    name: name.into(),
                }
            })
            .collect();
        if vertices.len() != vectors.shape()[0] {
            return Err(bad(format!(
                "{} names for {} vectors",
                vertices.len(),
                vectors.shape()[0]
            )));
        }
        if values.iter().any(|x| !x.is_finite()) {
            return Err(bad("a value is not a finite number".to_owned()));
        }
        Self::new(vertices, values, about).map_err(|e| bad(e.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::golden::Golden;

    fn golden_vectors() -> (Golden, EntityVectors) {
        let golden = Golden::load("line_graph");
        let values: Vec<f64> = golden.parse("/out/concat/data");
        let values = values.into_iter().map(|x| x as f32).collect();
        let vertices = [
            Vertex::of(None, "Queens"),
            Vertex::of(Some("/m/02_286"), "New York"),
            Vertex::of(Some("/m/01"), "Paris"),
            Vertex::of(Some("/m/02"), "Paris"),
        ];
        let about = BTreeMap::from([("seed".to_owned(), "1".to_owned())]);
        let vectors = EntityVectors::new(vertices.into(), values, about).unwrap();
        (golden, vectors)
    }

    #[test]
    fn golden_mutual_relation_is_antisymmetric_and_adds_up() {
        let (golden, vectors) = golden_vectors();
        for (head, tail) in [(0, 3), (3, 0)] {
            let expected: Vec<f64> = golden.parse(&format!("/out/MR_{head}_to_{tail}/data"));
            let found = vectors.table().mutual_relation(head, tail);
            for (f, e) in found.iter().zip(expected) {
                assert!((f64::from(*f) - e).abs() < 1e-5);
            }
        }
        let (ab, bc, ac) = (
            vectors.table().mutual_relation(0, 1),
            vectors.table().mutual_relation(1, 2),
            vectors.table().mutual_relation(0, 2),
        );
        for ((ab, bc), ac) in ab.iter().zip(&bc).zip(&ac) {
            assert!((ab + bc - ac).abs() < 1e-5);
        }
    }

    #[test]
    fn entities_are_found_by_link_then_by_name() {
        let (_, vectors) = golden_vectors();
        for (link, surface, expected) in [
            (Some("/m/02"), "Paris", Some(3)),
            (Some("/m/99"), "queens", Some(0)),
            (None, "new  york", Some(1)),
            (None, "PARIS", Some(2)),
            (None, "Rome", None),
        ] {
            assert_eq!(vectors.find(link, surface), expected, "{link:?} {surface}");
        }
        let near = vectors.nearest(0, 2);
        assert_eq!(near.len(), 2);
        assert!(near[0].cosine >= near[1].cosine && near.iter().all(|n| n.row != 0));
    }

    #[test]
    fn the_file_comes_back_and_damage_is_named() {
        let (_, vectors) = golden_vectors();
        let mut bytes = Vec::new();
        vectors.write(&mut bytes).unwrap();
        assert_eq!(EntityVectors::read(&bytes, "f").unwrap(), vectors);
        let mut other = bytes.clone();
        let at = bytes
            .windows(15)
            .position(|w| w == b"redress_graph\":")
            .unwrap();
        other[at + 16] = b'9';
        let mut cut = bytes.clone();
        cut.truncate(bytes.len() - 3);
        for (bytes, expected) in [(&other, "version 9"), (&cut, "f: "), (&vec![1, 2], "f: ")] {
            let message = EntityVectors::read(bytes, "f").unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
    }
}
