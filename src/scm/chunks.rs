//! A file as messages.

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, Stream, StreamExt as _};

use crate::proto::Fault;

/// The most bytes in one message, as the proto promises.
pub const MOST: usize = 64 * 1024;

/// Cuts the bytes of a file into messages of at most [`MOST`], without copying; an empty file is one empty message.
pub fn messages<S, M>(bytes: S, message: fn(Bytes) -> M) -> BoxStream<'static, Result<M, Fault>>
where
    S: Stream<Item = Result<Bytes, Fault>> + Send + 'static,
    M: Send + 'static,
{
    let start = File { bytes: bytes.fuse().boxed(), rest: Bytes::new(), sent: Sent::Nothing };
    let pieces = stream::unfold(start, |mut file| async { file.next().await.map(|piece| (piece, file)) });
    pieces.map(move |piece| piece.map(message)).boxed()
}

struct File {
    bytes: BoxStream<'static, Result<Bytes, Fault>>,
    rest: Bytes,
    sent: Sent,
}

enum Sent {
    Nothing,
    Something,
}

impl File {
    async fn next(&mut self) -> Option<Result<Bytes, Fault>> {
        while self.rest.is_empty() {
            match self.bytes.next().await {
                Some(Ok(bytes)) => self.rest = bytes,
                Some(Err(fault)) => {
                    self.sent = Sent::Something;
                    return Some(Err(fault));
                }
                None => return self.last(),
            }
        }
        self.sent = Sent::Something;
        Some(Ok(self.rest.split_to(self.rest.len().min(MOST))))
    }

    fn last(&mut self) -> Option<Result<Bytes, Fault>> {
        match std::mem::replace(&mut self.sent, Sent::Something) {
            Sent::Nothing => Some(Ok(Bytes::new())),
            Sent::Something => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn lengths(bytes: Vec<Result<Bytes, Fault>>) -> Vec<Result<usize, String>> {
        let cut = messages(stream::iter(bytes), |data| data.len());
        cut.map(|m| m.map_err(|fault| fault.message().to_owned())).collect().await
    }

    #[tokio::test]
    async fn no_message_is_larger_than_64_kib_and_no_byte_is_lost() {
        let bytes =
            vec![Ok(Bytes::from(vec![7; MOST * 2 + 1])), Ok(Bytes::new()), Ok(Bytes::from_static(b"ab"))];
        assert_eq!(lengths(bytes).await, [Ok(MOST), Ok(MOST), Ok(1), Ok(2)]);
    }

    #[tokio::test]
    async fn an_empty_file_is_one_empty_message() {
        assert_eq!(lengths(vec![]).await, [Ok(0)]);
        assert_eq!(lengths(vec![Ok(Bytes::new())]).await, [Ok(0)]);
    }

    #[tokio::test]
    async fn a_failure_is_not_taken_for_an_empty_file() {
        assert_eq!(lengths(vec![Err(Fault::internal("cut"))]).await, [Err("cut".to_owned())]);
    }
}
