//! A file on its way: its bytes as they come, never more than one frame in memory, and never a short file in silence.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, stream};
use http_body_util::BodyExt as _;
use tokio::time;

use crate::bitbucket::Error;
use crate::bitbucket::transport::Body;

/// A file whose first bytes have arrived.
pub(super) struct Download {
    body: Body,
    pending: Bytes,
    begun: Begun,
    base: Arc<str>,
    patience: Duration,
}

/// Whether the caller has got a message yet; an empty file is one empty message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Begun {
    Not,
    Yes,
}

impl Download {
    /// Waits for the first bytes, or for the end of an empty file. A failure up to here may be repeated.
    ///
    /// `patience` is how long the bytes after these may be late.
    pub(super) async fn begin(body: Body, base: &Arc<str>, patience: Duration) -> Result<Self, Error> {
        let mut download =
            Self { body, pending: Bytes::new(), begun: Begun::Not, base: base.clone(), patience };
        download.fill().await?;
        Ok(download)
    }

    /// The bytes, in pieces of at most 64 KiB. After an error there is nothing more.
    pub(super) fn into_stream(self) -> impl Stream<Item = Result<Bytes, Error>> + Send + 'static {
        stream::try_unfold(self, |mut download| async move {
            let piece = download.piece().await?;
            Ok(piece.map(|piece| (piece, download)))
        })
    }

    async fn piece(&mut self) -> Result<Option<Bytes>, Error> {
        if self.pending.is_empty() && self.begun == Begun::Yes {
            self.fill().await?;
        }
        if self.pending.is_empty() && self.begun == Begun::Yes {
            return Ok(None);
        }
        self.begun = Begun::Yes;
        let len = self.pending.len().min(PIECE);
        Ok(Some(self.pending.split_to(len)))
    }

    /// Waits for bytes; leaves none pending only at the end of the file.
    ///
    /// hyper errs when a body ends before its length or its last chunk, and TLS when it ends without `close_notify`: a
    /// body that ends is whole.
    async fn fill(&mut self) -> Result<(), Error> {
        while self.pending.is_empty() {
            let frame = time::timeout(self.patience, self.body.frame()).await;
            let frame = frame.map_err(|late| self.cut(late))?;
            let Some(frame) = frame else { return Ok(()) };
            if let Ok(data) = frame.map_err(|broken| self.cut(broken))?.into_data() {
                self.pending = data;
            }
        }
        Ok(())
    }

    fn cut(&self, source: impl Into<super::error::Cause>) -> Error {
        Error::Cut { base: self.base.clone(), source: source.into() }
    }
}

const PIECE: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt as _, TryStreamExt as _};
    use http_body::Frame;
    use http_body_util::{Full, StreamBody};

    use super::*;

    fn base() -> Arc<str> {
        "https://git.example".into()
    }

    async fn download(body: Body) -> Vec<Result<Bytes, Error>> {
        let begun = Download::begin(body, &base(), Duration::from_secs(30)).await.expect("begun");
        begun.into_stream().collect().await
    }

    #[tokio::test]
    async fn a_large_frame_is_cut_into_pieces_of_64_kib() {
        let body = Full::new(Bytes::from(vec![7; 150_000])).map_err(|never| match never {}).boxed_unsync();
        let pieces = download(body).await;
        let sizes: Vec<_> = pieces.iter().map(|piece| piece.as_ref().expect("bytes").len()).collect();
        assert_eq!(sizes, [65_536, 65_536, 18_928]);
    }

    #[tokio::test]
    async fn an_empty_file_is_one_empty_piece() {
        let pieces = download(Full::default().map_err(|never| match never {}).boxed_unsync()).await;
        assert!(matches!(pieces.as_slice(), [Ok(piece)] if piece.is_empty()));
    }

    #[tokio::test]
    async fn a_cut_body_is_an_error_and_not_the_end() {
        let frames = [Ok(Frame::data(Bytes::from_static(b"half"))), Err("reset".into())];
        let pieces = download(StreamBody::new(stream::iter(frames)).boxed_unsync()).await;
        assert!(matches!(pieces.as_slice(), [Ok(half), Err(Error::Cut { .. })] if half == "half"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stalls_is_cut_after_the_patience() {
        let frames = stream::iter([Ok(Frame::data(Bytes::from_static(b"x")))]).chain(stream::pending());
        let body = StreamBody::new(frames).boxed_unsync();
        let begun = Download::begin(body, &base(), Duration::from_secs(30)).await.expect("begun");
        let outcome: Result<Vec<_>, _> = begun.into_stream().try_collect().await;
        assert!(matches!(outcome, Err(Error::Cut { .. })));
    }
}
