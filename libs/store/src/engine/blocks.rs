//! ClickHouse's own framing of compressed bodies: a checksum (`CityHash` 1.0.2), a method, two lengths, the bytes.
//! See "Native format, frame format" in ClickHouse's documentation.

const CHECKSUM: usize = 16;
const HEADER: usize = 9;
const LZ4: u8 = 0x82;
const NONE: u8 = 0x02;

/// Decompresses a whole body, which may not grow beyond `limit` bytes.
pub(super) fn decompress(mut body: &[u8], limit: usize) -> Result<Vec<u8>, &'static str> {
    let mut plain = Vec::new();
    while !body.is_empty() {
        let (checksum, rest) = body.split_first_chunk::<CHECKSUM>().ok_or("a compressed block is cut short")?;
        let header = rest.first_chunk::<HEADER>().ok_or("a compressed block is cut short")?;
        let [method, c0, c1, c2, c3, p0, p1, p2, p3] = *header;
        let length = usize::try_from(u32::from_le_bytes([c0, c1, c2, c3])).unwrap_or(usize::MAX);
        let plain_length = usize::try_from(u32::from_le_bytes([p0, p1, p2, p3])).unwrap_or(usize::MAX);
        let block = rest.get(..length).ok_or("a compressed block is cut short")?;
        let packed = block.get(HEADER..).ok_or("a compressed block has a wrong length")?;
        if cityhash_rs::cityhash_102_128(block).rotate_right(64) != u128::from_le_bytes(*checksum) {
            return Err("a compressed block has a wrong checksum");
        }
        let start = plain.len();
        let end =
            start.checked_add(plain_length).filter(|end| *end <= limit).ok_or("the body is larger than the limit")?;
        match method {
            LZ4 => {
                plain.resize(end, 0);
                let written = lz4_flex::block::decompress_into(packed, &mut plain[start..]);
                if written.ok() != Some(plain_length) {
                    return Err("a compressed block does not decompress");
                }
            }
            NONE if packed.len() == plain_length => plain.extend_from_slice(packed),
            _ => return Err("a compressed block has an unknown method"),
        }
        body = &rest[length..];
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::{LZ4, decompress};

    fn block(plain: &[u8]) -> Vec<u8> {
        let packed = lz4_flex::block::compress(plain);
        let mut block = vec![LZ4];
        block.extend_from_slice(&u32::try_from(packed.len() + 9).unwrap().to_le_bytes());
        block.extend_from_slice(&u32::try_from(plain.len()).unwrap().to_le_bytes());
        block.extend_from_slice(&packed);
        let mut all = cityhash_rs::cityhash_102_128(&block).rotate_right(64).to_le_bytes().to_vec();
        all.extend_from_slice(&block);
        all
    }

    #[test]
    fn blocks_come_back_whole_or_not_at_all() {
        let mut body = block(b"one one one one one");
        body.extend_from_slice(&block(&[7; 1000]));
        let mut plain = b"one one one one one".to_vec();
        plain.extend_from_slice(&[7; 1000]);
        assert_eq!(decompress(&body, 1019), Ok(plain));
        assert_eq!(decompress(&body, 1018), Err("the body is larger than the limit"));
        assert_eq!(decompress(&[], 0), Ok(Vec::new()));
        let whole = block(b"one one one one one").len();
        for cut in (1..body.len()).filter(|cut| *cut != whole) {
            assert!(decompress(&body[..cut], 10_000).is_err(), "cut at {cut}");
        }
        for at in 0..whole {
            let mut bad = body.clone();
            bad[at] ^= 1;
            assert!(decompress(&bad, 10_000).is_err(), "changed at {at}");
        }
    }
}
