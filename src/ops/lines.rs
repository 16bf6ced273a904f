//! Lines of the log on their way out. A thread of their own writes them, several at once, so that no call waits for whoever
//! reads them.

use std::io::{self, Write};
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// Most bytes that wait to be written; what comes beyond is lost, and counted.
pub const MOST: usize = 1 << 20;
/// How long the first of several lines waits for the others. A write for each would be a tenth of what a call costs.
const GATHER: Duration = Duration::from_millis(5);
/// How long the end of the process waits for its last lines to be taken.
const PATIENCE: Duration = Duration::from_secs(1);
/// What the two buffers keep between bursts, in bytes.
const KEPT: usize = 1 << 14;

/// Keeps the thread that writes. When it is dropped, what waits is written, for a second at most.
#[must_use = "without it the last lines are not written"]
pub struct Lines(Arc<Shared>);

/// Where lines are put; one `write` is one line.
#[derive(Clone)]
pub struct Queue(Arc<Shared>);

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    more: Condvar,
    done: Condvar,
}

#[derive(Default)]
struct Waiting {
    lines: Vec<u8>,
    lost: u64,
    state: State,
}

#[derive(Default, PartialEq, Eq)]
enum State {
    #[default]
    Open,
    Closing,
    Closed,
}

/// Starts the thread that writes to `to`, and calls `tell` with the number of lines that were lost, once there is room.
///
/// # Errors
/// When the system gives no thread.
pub fn start(
    to: impl Write + Send + 'static,
    tell: impl Fn(u64) + Send + 'static,
) -> io::Result<(Lines, Queue)> {
    let shared = Arc::<Shared>::default();
    let writer = Arc::clone(&shared);
    thread::Builder::new().name("log".to_owned()).spawn(move || writer.write_out(to, tell))?;
    Ok((Lines(Arc::clone(&shared)), Queue(shared)))
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, line: &[u8]) {
        let mut waiting = self.waiting();
        let before = waiting.lines.len();
        if before + line.len() > MOST {
            waiting.lost += 1;
            return;
        }
        waiting.lines.extend_from_slice(line);
        // The writer gathers after the first; it is woken again only when there is much.
        if before == 0 || (before < MOST / 2 && before + line.len() >= MOST / 2) {
            self.more.notify_one();
        }
    }

    fn write_out(&self, mut to: impl Write, tell: impl Fn(u64)) {
        let mut batch = Vec::new();
        while let Some(lost) = self.take(&mut batch) {
            // Nobody is left to tell that the standard error is gone.
            let _ = to.write_all(&batch).and_then(|()| to.flush());
            batch.clear();
            batch.shrink_to(KEPT);
            if lost > 0 {
                tell(lost);
            }
        }
    }

    /// Waits for lines and takes them into `batch`, which is empty; the answer is how many were lost since the last time,
    /// and nothing when it is over.
    fn take(&self, batch: &mut Vec<u8>) -> Option<u64> {
        let open = |waiting: &Waiting| waiting.state == State::Open;
        let empty = |waiting: &mut Waiting| open(waiting) && waiting.lines.is_empty();
        let waiting = self.more.wait_while(self.waiting(), empty).unwrap_or_else(PoisonError::into_inner);
        let few = |waiting: &mut Waiting| open(waiting) && waiting.lines.len() < MOST / 2;
        let gathered = self.more.wait_timeout_while(waiting, GATHER, few);
        let (mut waiting, _) = gathered.unwrap_or_else(PoisonError::into_inner);
        if waiting.lines.is_empty() {
            waiting.state = State::Closed;
            self.done.notify_all();
            return None;
        }
        mem::swap(batch, &mut waiting.lines);
        Some(mem::take(&mut waiting.lost))
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        let mut waiting = self.0.waiting();
        waiting.state = State::Closing;
        self.0.more.notify_one();
        // A reader who has stopped must not keep the process.
        let _ = self.0.done.wait_timeout_while(waiting, PATIENCE, |it| it.state != State::Closed);
    }
}

impl Write for &Queue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.put(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Queue {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    use super::*;

    /// A reader who takes a batch whenever he is let.
    struct Reader {
        let_in: Receiver<()>,
        batches: SyncSender<Vec<u8>>,
    }

    impl Write for Reader {
        fn write(&mut self, batch: &[u8]) -> io::Result<usize> {
            // When the test lets nobody in any more, everything is taken.
            let _ = self.let_in.recv();
            self.batches.send(batch.to_vec()).map_err(io::Error::other)?;
            Ok(batch.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn put(mut queue: &Queue, line: &[u8]) {
        queue.write_all(line).unwrap();
    }

    #[test]
    fn lines_are_written_whole_and_in_order_and_several_at_once() {
        let ((door, let_in), (batches, taken)) = (sync_channel(8), sync_channel(8));
        let (lines, queue) = start(Reader { let_in, batches }, |_| ()).unwrap();
        put(&queue, b"one\n");
        door.send(()).unwrap();
        let mut text = taken.recv().unwrap();
        for line in [b"two\n", b"six\n", b"ten\n"] {
            put(&queue, line);
        }
        drop((door, lines));
        let rest: Vec<_> = taken.into_iter().collect();
        assert!(rest.len() <= 1, "one write for what waited: {rest:?}");
        text.extend(rest.concat());
        assert_eq!(text, b"one\ntwo\nsix\nten\n");
    }

    #[test]
    fn nobody_waits_for_a_reader_who_has_stopped_and_what_was_lost_is_told() {
        let ((door, let_in), (batches, taken), (tell, told)) =
            (sync_channel(8), sync_channel(8), sync_channel(8));
        let (lines, queue) = start(Reader { let_in, batches }, move |lost| tell.send(lost).unwrap()).unwrap();
        let line = [b'x'; 1024];
        // At least twice what fits: one batch is in the reader's hands, one waits.
        for _ in 0..3 * MOST / line.len() {
            put(&queue, &line);
        }
        drop((door, lines));
        let lost: u64 = told.into_iter().sum();
        let written: usize = taken.into_iter().map(|batch| batch.len()).sum();
        assert!(lost > 0);
        assert_eq!(usize::try_from(lost).unwrap() * line.len() + written, 3 * MOST);
    }

    #[test]
    fn the_end_does_not_wait_for_ever() {
        let ((_door, let_in), (batches, _taken)) = (sync_channel(8), sync_channel(8));
        let (lines, queue) = start(Reader { let_in, batches }, |_| ()).unwrap();
        put(&queue, b"one\n");
        drop(lines);
    }
}
