//! Sentences a second of the encoder, on the demo's sentences; `benches/encoder.sh` runs it in turn with PyTorch.
//!
//! usage: cargo bench --bench encoder -- ENCODER_DIR BATCH [REPETITIONS [f32|int8|bf16 [cpu|cuda:N]]]
//! `int8`: the weights as a model stored at 8 bits has them, multiplied as integers. On a GPU one thread asks for all.

use rayon::prelude::*;
use redress::model::batch::Batch;
use redress::model::device::select;
use redress::model::encoder::{Encoder, EncoderConfig, Products, import_hf};
use redress::model::files::{Precision, decode_tensors, encode_tensors};
use redress::model::mode::Mode;
use redress::model::params::{Missing, Params};
use std::path::Path;
use std::time::Instant;

fn main() {
    // As src/main.rs has it. Sound: no other thread runs yet.
    unsafe { std::env::set_var("CANDLE_NUM_THREADS", "1") };
    let args: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| a != "--bench")
        .collect();
    let [dir, batch, ..] = args.as_slice() else {
        println!(
            "usage: cargo bench --bench encoder -- ENCODER_DIR BATCH [REPETITIONS [f32|int8|bf16 [cpu|cuda:N]]]"
        );
        return;
    };
    let size: usize = batch.parse().expect("a batch size");
    let repetitions: usize = args.get(2).map_or(3, |r| r.parse().expect("a number"));
    let texts: Vec<serde_json::Value> = include_str!("../sample_data/corpus.jsonl")
        .lines()
        .map(|l| serde_json::from_str(l).expect("our own sentences"))
        .collect();
    let mut sentences: Vec<Vec<&str>> = texts
        .iter()
        .map(|r| {
            r["tokens"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|t| t.as_str())
                .collect()
        })
        .collect();
    sentences.sort_by_key(Vec::len);
    let hf = import_hf(Path::new(dir)).expect("a Hugging Face encoder");
    let (device, _) = select(args.get(4).map_or("cpu", String::as_str)).expect("a device");
    let (products, name) = match args.get(3).map_or("f32", String::as_str) {
        "f32" => (Products::F32, "redress"),
        "int8" => (Products::Int8, "redress8"),
        "bf16" => (Products::Bf16, "redress16"),
        other => panic!("{other}: f32, int8 or bf16"),
    };
    let int8 = products == Products::Int8;
    let mut tensors = hf.tensors;
    if int8 {
        let stored = encode_tensors(&tensors, Precision::Int8).expect("codes");
        tensors = decode_tensors(&stored, "the encoder").expect("codes");
    }
    let params =
        Params::from_tensors(tensors, &device, Missing::Init { seed: 0 }).expect("weights");
    params.freeze("");
    let mut encoder =
        Encoder::new(&EncoderConfig::Bert(hf.config), &params.root()).expect("an encoder");
    encoder.set_products(products);
    for repetition in 0..=repetitions {
        let (started, cpu) = (Instant::now(), cpu_seconds());
        let run = |chunk: &[Vec<&str>]| {
            let batch = Batch::new(
                chunk.iter().map(|s| s.iter().copied()),
                &hf.tokens,
                encoder.max_pieces(),
            );
            let top = encoder
                .forward(&batch, Mode::Infer)
                .expect("a forward pass")
                .piece_top;
            top.abs()
                .and_then(|t| t.sum_all())
                .and_then(|t| t.to_scalar::<f32>())
                .expect("a sum")
        };
        let checksum: f32 = match device.is_cpu() {
            true => sentences.par_chunks(size).map(run).sum(),
            false => sentences.chunks(size).map(run).sum(),
        };
        // The first is a warm-up: it fills the word cache.
        if repetition > 0 {
            let n = sentences.len() as f64;
            let rate = n / started.elapsed().as_secs_f64();
            let cpu_rate = n / (cpu_seconds() - cpu);
            println!(
                "{name} batch={size} {rate:.1} sentences/s {cpu_rate:.1} sentences/cpu-s checksum={checksum:.0}"
            );
        }
    }
}

/// User and system time of this process, in Linux's ticks of 10 ms; it does not grow while others have the cores.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks = fields.split_whitespace().skip(11).take(2);
    ticks.filter_map(|t| t.parse::<f64>().ok()).sum::<f64>() / 100.0
}
