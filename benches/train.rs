//! Sentences a second of training (encoder, RIN and kernel head together), and the most memory the process held;
//! `benches/train.sh` runs it in turn with the same model in PyTorch, `benches/train_torch.py`.
//!
//! usage: cargo bench --bench train -- ENCODER_DIR STEPS [BATCH [CORPUS.jsonl [cpu|cuda:N]]]     a corpus of `redress export --format redress`

use candle_core::Device;
use redress::domain::{SentenceId, TokenSpan};
use redress::model::device::select;
use redress::model::encoder::{EncoderConfig, import_hf};
use redress::model::kernel::KernelConfig;
use redress::model::params::{Missing, Params};
use redress::model::rin::{RinConfig, Variant};
use redress::model::sentence::{Heads, ModelConfig};
use redress::train::examples::{Example, LabelledPair};
use redress::train::fit::{FitEvent, FitOptions, Surroundings, fit};
use redress::train::sentence::{LossWeights, SentenceRates, SentenceTrainer};
use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

const N_RELATIONS: usize = 24;
/// Steps before the clock starts: the allocator and the word cache settle.
const WARM_UP: u64 = 2;

fn main() {
    // As src/main.rs has it. Sound: no other thread runs yet.
    unsafe { std::env::set_var("CANDLE_NUM_THREADS", "1") };
    let args: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| a != "--bench")
        .collect();
    let [dir, steps, rest @ ..] = args.as_slice() else {
        println!(
            "usage: cargo bench --bench train -- ENCODER_DIR STEPS [BATCH] [CORPUS.jsonl] [cpu|cuda:N]"
        );
        return;
    };
    let steps: u64 = steps.parse().expect("a number of steps");
    let batch: usize = rest
        .first()
        .map_or(16, |b| b.parse().expect("a batch size"));
    let corpus = match rest.get(1) {
        Some(path) => std::fs::read_to_string(path).expect("a corpus"),
        None => include_str!("../sample_data/corpus.jsonl").to_owned(),
    };
    let examples: Vec<Example> = corpus.lines().enumerate().map(example).collect();
    let (device, _) = select(rest.get(2).map_or("cpu", String::as_str)).expect("a device");
    let trainer = trainer(Path::new(dir), examples, &device);
    let options = FitOptions {
        epochs: u32::MAX,
        batch,
        ..FitOptions::default()
    }
    .on(&device);
    let (done, started) = (Cell::new(0), Cell::new((Instant::now(), cpu_seconds())));
    fit(
        &trainer,
        &options,
        &mut Surroundings {
            dev: None,
            observe: &mut |event| {
                if let FitEvent::Step { step, .. } = event {
                    done.set(step);
                    if step == WARM_UP {
                        started.set((Instant::now(), cpu_seconds()));
                    }
                }
            },
            cancelled: &|| done.get() >= steps + WARM_UP,
            checkpoint: None,
        },
    )
    .expect("training");
    let (sentences, (started, cpu)) = ((steps * batch as u64) as f64, started.get());
    println!(
        "redress train batch={batch} {:.2} sentences/s {:.2} sentences/cpu-s peak={} MB",
        sentences / started.elapsed().as_secs_f64(),
        sentences / (cpu_seconds() - cpu),
        peak_megabytes()
    );
}

fn trainer(dir: &Path, examples: Vec<Example>, device: &Device) -> SentenceTrainer {
    let hf = import_hf(dir).expect("a Hugging Face encoder");
    let params =
        Params::from_tensors(hf.tensors, device, Missing::Init { seed: 0 }).expect("weights");
    let rin = RinConfig {
        variant: Variant::Emnlp,
        rounds: 2,
        width: Some(64),
        ..RinConfig::default()
    };
    let config = ModelConfig::new(
        EncoderConfig::Bert(hf.config),
        (0..N_RELATIONS).map(|r| format!("relation {r}")).collect(),
        Heads {
            rin: Some(rin),
            kernel: Some(KernelConfig::default()),
            spans: None,
        },
    );
    let tokens = Arc::new(hf.tokens);
    SentenceTrainer::new(
        config,
        params,
        tokens,
        examples,
        SentenceRates::default(),
        LossWeights::default(),
    )
    .expect("a model")
}

/// Its words and entities; each entity is related to the next, as the amount of work does not depend on labels.
fn example((i, line): (usize, &str)) -> Example {
    let record: serde_json::Value = serde_json::from_str(line).expect("a record");
    let list = |key: &str| record[key].as_array().into_iter().flatten();
    let number = |v: &serde_json::Value| v.as_u64().expect("a place") as usize;
    let mut entities: Vec<TokenSpan> = list("entities")
        .filter_map(|e| TokenSpan::new(number(&e["start"]), number(&e["end"])))
        .collect();
    entities.sort();
    entities.dedup();
    let positives = entities.windows(2).map(|pair| LabelledPair {
        head: pair[0],
        tail: pair[1],
        label: i % N_RELATIONS,
    });
    Example {
        id: SentenceId(i as u64),
        words: list("tokens")
            .filter_map(|t| t.as_str().map(str::to_owned))
            .collect(),
        positives: positives.collect(),
        masked: Vec::new(),
        kinds: vec![None; entities.len()],
        entities,
    }
}

/// Linux's own count; 0 elsewhere.
fn peak_megabytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    let kilobytes = peak.and_then(|l| l.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) / 1024
}

/// User and system time of this process, in Linux's ticks of 10 ms; it does not grow while others have the cores.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks = fields.split_whitespace().skip(11).take(2);
    ticks.filter_map(|t| t.parse::<f64>().ok()).sum::<f64>() / 100.0
}
