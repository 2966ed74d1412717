//! Whole-sentence prediction (encoder, RIN, kernel head, decoding) against the encoder alone, in turn in one process, on
//! the demo's sentences with the embedded model or that of a directory; its heads are also widened to more relations by repeating them,
//! and its kernels narrowed by keeping their first columns (`170@64`: 170 relations at rank 64; the answers mean nothing, the work is that
//! of a model trained so).
//!
//! usage: cargo bench --bench predict -- [MODEL_DIR] [RELATIONS[@RANK]..]     (24 170 unless given)

use candle_core::Tensor;
use rayon::prelude::*;
use redress::corpus::{CorpusReader, Item};
use redress::domain::{RelationSchema, Sentence};
use redress::model::batch::Batch;
use redress::model::files::Source;
use redress::model::mode::Mode;
use redress::model::sentence::{Loaded, SentenceModel};
use std::path::Path;
use std::time::{Duration, Instant};

/// Sentences a forward pass holds, as prediction has it.
const BATCH: usize = 8;
const ROUNDS: usize = 7;

fn main() {
    // As src/main.rs has it. Sound: no other thread runs yet.
    unsafe { std::env::set_var("CANDLE_NUM_THREADS", "1") };
    // cargo adds an argument of its own.
    let given: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| a != "--bench")
        .collect();
    let (sizes, dirs): (Vec<_>, Vec<_>) = given
        .iter()
        .partition(|a| a.starts_with(|c: char| c.is_ascii_digit()));
    let sizes: Vec<&str> = match sizes.is_empty() {
        true => vec!["24", "170"],
        false => sizes.iter().map(|s| s.as_str()).collect(),
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("sample_data");
    let sentences = sentences(&root.join("corpus.jsonl"));
    let borrowed: Vec<&Sentence> = sentences.iter().collect();
    let dir = dirs
        .first()
        .map_or_else(|| root.join("model"), |d| Path::new(d).to_owned());
    let models: Vec<SentenceModel> = sizes.iter().map(|size| model(&dir, size)).collect();
    let mut encoder = Vec::new();
    let mut whole = vec![Vec::new(); models.len()];
    // The first round fills the word cache.
    for round in 0..=ROUNDS {
        let keep = |times: &mut Vec<Duration>, time| {
            if round > 0 {
                times.push(time);
            }
        };
        keep(&mut encoder, time(|| encode(&models[0], &borrowed)));
        for (model, times) in models.iter().zip(&mut whole) {
            let labels = model.config.labels.iter().map(String::as_str);
            let map = model.config.label_map(&RelationSchema::from_names(labels));
            let run = || model.predict(&borrowed, &map).expect("a prediction").len();
            keep(times, time(run));
        }
    }
    let encoder = median(&mut encoder);
    let rate = |time: Duration| sentences.len() as f64 / time.as_secs_f64();
    println!("encoder {:.1} sentences/s", rate(encoder));
    for (size, times) in sizes.iter().zip(&mut whole) {
        let time = median(times);
        let ratio = time.as_secs_f64() / encoder.as_secs_f64();
        println!(
            "predict relations={size} {:.1} sentences/s, {ratio:.2} of the encoder's time",
            rate(time)
        );
    }
}

fn time(run: impl FnOnce() -> usize) -> Duration {
    let started = Instant::now();
    std::hint::black_box(run());
    started.elapsed()
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn encode(model: &SentenceModel, sentences: &[&Sentence]) -> usize {
    let mut order = sentences.to_vec();
    order.sort_by_key(|s| s.tokens.len());
    let rows = order.par_chunks(BATCH).map(|group| {
        let words = group.iter().map(|s| s.words());
        let batch = Batch::new(words, model.tokens(), model.encoder().max_pieces());
        let encoded = model.encoder().forward(&batch, Mode::Infer);
        encoded.expect("a forward pass").piece_top.dims()[0]
    });
    rows.sum()
}

fn sentences(path: &Path) -> Vec<Sentence> {
    let mut reader = CorpusReader::open(path, None, None).expect("the demo's corpus");
    let mut schema = RelationSchema::from_names([]);
    let mut all = Vec::new();
    while let Some(item) = reader.next(&mut schema) {
        if let Item::Sentence(imported) = item {
            all.push(imported.sentence);
        }
    }
    all
}

/// The model in `dir` with as many relations as `size` says: its own, again and again.
fn model(dir: &Path, size: &str) -> SentenceModel {
    let (n, rank) = match size.split_once('@') {
        Some((n, rank)) => (n, Some(rank.parse().expect("a rank"))),
        None => (size, None),
    };
    let n: usize = n.parse().expect("a number of relations");
    let mut loaded = Loaded::read(Source::Dir(dir)).expect("the embedded model");
    let own = loaded.config.labels.len();
    loaded.config.labels = (0..n)
        .map(|i| format!("{} {}", loaded.config.labels[i % own], i / own))
        .collect();
    let rows: Vec<u32> = (0..n).map(|i| (i % own) as u32).collect();
    for (name, tensor) in &mut loaded.tensors {
        // What has one entry a relation: the pair model's output, the cells' evidence input, the kernels.
        let axis = match name.as_str() {
            "rin.pair.out.weight" | "rin.pair.out.bias" => 0,
            "rin.gru_re.weight_ih" => 1,
            name if name.starts_with("ker.") => 0,
            _ => continue,
        };
        let rows = Tensor::new(rows.as_slice(), tensor.device()).expect("rows");
        *tensor = tensor.index_select(&rows, axis).expect("a wider head");
        if let Some(rank) = rank.filter(|_| name.starts_with("ker.")) {
            let last = tensor.rank() - 1;
            *tensor = tensor
                .narrow(last, 0, rank)
                .and_then(|t| t.contiguous())
                .expect("narrower kernels");
        }
    }
    if let Some(kernel) = loaded.config.kernel.as_mut().filter(|_| rank.is_some()) {
        kernel.rank = rank;
    }
    SentenceModel::from_loaded(&loaded, &candle_core::Device::Cpu).expect("a model")
}
