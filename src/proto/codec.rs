//! How messages become bytes: prost, with small buffers to begin with.

use std::marker::PhantomData;

use prost::Message;
use tonic::codec::{BufferSettings, Codec};
use tonic_prost::ProstCodec;

/// prost's codec, but each direction of each call begins with 1 KiB in place of 8 KiB.
///
/// Buffers grow with what is in them. A session that rests, of which a gateway may hold ten thousand, keeps two of them.
#[derive(Debug)]
pub struct Lean<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for Lean<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> Codec for Lean<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = <ProstCodec<T, U> as Codec>::Encoder;
    type Decoder = <ProstCodec<T, U> as Codec>::Decoder;

    fn encoder(&mut self) -> Self::Encoder {
        ProstCodec::<T, U>::raw_encoder(BufferSettings::new(FIRST, TOGETHER))
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstCodec::<T, U>::raw_decoder(BufferSettings::new(FIRST, TOGETHER))
    }
}

/// What a buffer begins with, in bytes.
const FIRST: usize = 1024;

/// How many bytes of messages leave together where there are more, as by default.
const TOGETHER: usize = 32 * 1024;
