//! One worker thread and its queue.

use crossbeam_channel::{Receiver, Sender, unbounded};
use std::thread::JoinHandle;

/// Sends work to a lane's thread. Dropping it lets the thread finish what is queued and waits for it: an edit that was
/// accepted is on disk before the program ends.
pub struct Lane<M: Send + 'static> {
    sender: Option<Sender<M>>,
    thread: Option<JoinHandle<()>>,
}

impl<M: Send + 'static> Lane<M> {
    /// `false` when the lane's thread has died; its panic is in the log.
    pub fn send(&self, message: M) -> bool {
        self.sender
            .as_ref()
            .is_some_and(|s| s.send(message).is_ok())
    }
}

impl<M: Send + 'static> Drop for Lane<M> {
    fn drop(&mut self) {
        drop(self.sender.take());
        if let Some(thread) = self.thread.take() {
            // A panic was reported where it happened; there is nothing more to do with it here.
            let _ = thread.join();
        }
    }
}

/// Messages are handled one after another, none is dropped.
pub fn spawn_ordered<M: Send + 'static>(
    name: &str,
    mut handle: impl FnMut(M) + Send + 'static,
) -> std::io::Result<Lane<M>> {
    spawn(name, move |receiver: Receiver<M>| {
        for message in receiver {
            handle(message);
        }
    })
}

/// As [`spawn_ordered`], for long work: its thread steps back behind the others.
pub fn spawn_background<M: Send + 'static>(
    name: &str,
    mut handle: impl FnMut(M) + Send + 'static,
) -> std::io::Result<Lane<M>> {
    spawn(name, move |receiver: Receiver<M>| {
        super::lower();
        for message in receiver {
            handle(message);
        }
    })
}

/// Of messages of the same `kind` that wait together only the last is handled: an older question is stale.
pub fn spawn_latest<M: Send + 'static, K: PartialEq>(
    name: &str,
    kind: impl Fn(&M) -> K + Send + 'static,
    mut handle: impl FnMut(M) + Send + 'static,
) -> std::io::Result<Lane<M>> {
    spawn(name, move |receiver: Receiver<M>| {
        while let Ok(first) = receiver.recv() {
            let mut waiting = vec![first];
            loop {
                while let Ok(message) = receiver.try_recv() {
                    let k = kind(&message);
                    waiting.retain(|m| kind(m) != k);
                    waiting.push(message);
                }
                if waiting.is_empty() {
                    break;
                }
                handle(waiting.remove(0));
            }
        }
    })
}

fn spawn<M: Send + 'static>(
    name: &str,
    work: impl FnOnce(Receiver<M>) + Send + 'static,
) -> std::io::Result<Lane<M>> {
    let (sender, receiver) = unbounded();
    let thread = std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || work(receiver))?;
    Ok(Lane {
        sender: Some(sender),
        thread: Some(thread),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossbeam_channel::bounded;

    #[test]
    fn an_ordered_lane_handles_everything_before_it_is_dropped() {
        let (out, seen) = unbounded();
        let lane = spawn_ordered("test", move |n: u32| out.send(n).unwrap()).unwrap();
        for n in 0..100 {
            assert!(lane.send(n));
        }
        drop(lane);
        assert_eq!(
            seen.iter().collect::<Vec<_>>(),
            (0..100).collect::<Vec<_>>()
        );
    }

    #[test]
    fn a_latest_lane_skips_stale_questions_of_the_same_kind_only() {
        let (out, seen) = unbounded();
        let (gate, opened) = bounded::<()>(0);
        let lane = spawn_latest(
            "test",
            |m: &(char, u32)| m.0,
            move |m| {
                if m.0 == 'g' {
                    opened.recv().unwrap();
                }
                out.send(m).unwrap();
            },
        )
        .unwrap();
        // While the first message blocks, the others pile up.
        lane.send(('g', 0));
        while !lane.sender.as_ref().unwrap().is_empty() {
            std::thread::yield_now();
        }
        for m in [('a', 1), ('b', 1), ('a', 2), ('a', 3)] {
            lane.send(m);
        }
        gate.send(()).unwrap();
        drop(lane);
        assert_eq!(
            seen.iter().collect::<Vec<_>>(),
            [('g', 0), ('b', 1), ('a', 3)]
        );
    }
}
