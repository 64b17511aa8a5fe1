//! What an upstream says over HTTP/1.1.

use http::Method;

use crate::client::whole::read;

/// The first byte says how the answer is cut and which method it answers; the rest is the answer, up
/// to the end of its connection. However it is cut, the same is read: the same refusal or not, and the
/// same status, fields, body and trailers; and every byte of it is in the body, or in what is left,
/// at most once.
pub fn upstream_answer(data: &[u8]) {
    let Some((how, said)) = data.split_first() else { return };
    let method = if how & 1 == 0 { Method::GET } else { Method::HEAD };
    let size = usize::from(how >> 1) + 1;
    let whole = read(&method, said, said.len().max(1));
    let cut = read(&method, said, size);
    match (whole, cut) {
        (Ok((whole, sizes, left)), Ok((cut, ..))) => {
            assert_eq!(whole, cut);
            assert_eq!(sizes.iter().sum::<usize>(), whole.body.len());
            assert!(whole.body.len() + left.len() <= said.len());
            assert!(said.ends_with(&left));
        }
        (Err(_), Err(_)) => {}
        (whole, cut) => panic!("{whole:?} and, in pieces of {size}, {cut:?}"),
    }
}
