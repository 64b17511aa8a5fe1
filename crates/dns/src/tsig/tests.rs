//! Signatures, beside those of dnspython.

use super::*;

/// `dns.message.make_query("internal.", "AXFR", id=4711)` with `use_tsig` at [`SIGNED_S`], and a SOA query
/// with EDNS and HMAC-SHA512.
const AXFR: &str = "12670100000100000000000108696e7465726e616c0000fc0001034b6579074578616d706c650000fa00ff00000000003d0b686d61632d7368613235360000006553f100012c00206e766201c0e964585641f9242ef86a75cf7898489a77bf01cbd1489627ea64b9126700000000";
const SOA: &str = "12670100000100000000000208696e7465726e616c000006000100002904d0000000000000034b6579074578616d706c650000fa00ff00000000005d0b686d61632d7368613531320000006553f100012c0040d323ead404c26d766f53c679f4942799c977f94131eaca05f979a8314bf060db32418e29e0224204b9f26d9956be7475fabbe455d85f957012082fde6d048584126700000000";
const SIGNED_S: u64 = 1_700_000_000;
const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

fn bytes(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks(2);
    let octet = |pair| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16);
    digits.map(|pair| octet(pair).expect("hex")).collect()
}

fn key(name: &str, algorithm: Algorithm, secret: &[u8]) -> Arc<Key> {
    Arc::new(Key::new(RecordName::parse(name).expect("valid"), algorithm, secret))
}

fn right() -> Arc<Key> {
    key("key.example", Algorithm::HmacSha256, SECRET)
}

fn checked(request: &[u8], key: &Arc<Key>, now_s: u64) -> Checked {
    check(request, std::iter::once(key), || now_s)
}

/// RCODE, the error of the signature, the length of its code and of what is beside.
fn refusal(checked: Checked) -> (u8, u16, usize, usize) {
    let Checked::Refused(encoded) = checked else { panic!("{checked:?}") };
    let Found::Signed(signed) = wire::find(&encoded.bytes) else { panic!("{encoded:?}") };
    assert_eq!(encoded.bytes[..2], [0x12, 0x67]);
    let reply = hickory_proto::op::Message::from_vec(&encoded.bytes).expect("parses");
    assert_eq!(reply.queries[0].name().to_ascii(), "internal.");
    (encoded.bytes[3], signed.error(), signed.code.len(), signed.other().len())
}

#[test]
fn what_others_sign_is_believed() {
    for now_s in [SIGNED_S - 300, SIGNED_S, SIGNED_S + 300] {
        let Checked::Signed(exchange) = checked(&bytes(AXFR), &right(), now_s) else {
            panic!("at {now_s}")
        };
        assert_eq!(exchange.key().name().as_str(), "key.example");
    }
    let long = key("KEY.example.", Algorithm::HmacSha512, SECRET);
    assert!(matches!(checked(&bytes(SOA), &long, SIGNED_S), Checked::Signed(_)));
}

#[test]
fn each_wrong_has_its_code() {
    let request = bytes(AXFR);
    // Of the octets at the end, 6 follow the code.
    let at = request.len() - 7;
    let mut forged = request.clone();
    forged[at] ^= 1;
    let mut other_question = request.clone();
    other_question[13] ^= 0x20;
    let wrong = key("key.example", Algorithm::HmacSha256, b"another secret");
    let unknown = key("other.example", Algorithm::HmacSha256, SECRET);
    let stronger = key("key.example", Algorithm::HmacSha384, SECRET);
    let (bad_key, bad_signature) = ((9, 17, 0, 0), (9, 16, 0, 0));
    assert_eq!(refusal(checked(&request, &unknown, SIGNED_S)), bad_key);
    assert_eq!(refusal(checked(&request, &stronger, SIGNED_S)), bad_key);
    assert_eq!(refusal(checked(&request, &wrong, SIGNED_S)), bad_signature);
    assert_eq!(refusal(checked(&forged, &right(), SIGNED_S)), bad_signature);
    let Checked::Refused(encoded) = checked(&other_question, &right(), SIGNED_S) else {
        panic!("believed")
    };
    assert_eq!(encoded.bytes[3], 9);
    for now_s in [SIGNED_S - 301, SIGNED_S + 301] {
        // It is signed, and tells our time.
        assert_eq!(refusal(checked(&request, &right(), now_s)), (9, 18, 32, 6));
    }
}

#[test]
fn a_short_code_is_told_so() {
    let cut_to = |length: u8| {
        let mut request = bytes(AXFR);
        let code_at = request.len() - 6 - 32;
        request.drain(code_at + usize::from(length)..code_at + 32);
        request[code_at - 1] = length;
        let data_at = code_at - 10 - 13;
        request[data_at - 1] -= 32 - length;
        checked(&request, &right(), SIGNED_S)
    };
    assert_eq!(refusal(cut_to(16)), (9, 22, 32, 0));
    assert_eq!(refusal(cut_to(31)), (9, 22, 32, 0));
    assert!(matches!(cut_to(15), Checked::Malformed));
    assert!(matches!(cut_to(32), Checked::Signed(_)));
}

#[test]
fn what_is_no_signature_is_none() {
    let request = bytes(AXFR);
    for end in wire::HEAD_BYTES..request.len() {
        // Every cut is either no record, or one that says nothing.
        assert!(!matches!(checked(&request[..end], &right(), SIGNED_S), Checked::Signed(_)));
    }
    let mut unsigned = request[..wire::HEAD_BYTES + 14].to_vec();
    unsigned[11] = 0;
    assert!(matches!(checked(&unsigned, &right(), SIGNED_S), Checked::Unsigned));
    let mut twice = request.clone();
    twice.extend_from_slice(&request[wire::HEAD_BYTES + 14..]);
    twice[11] = 2;
    assert!(matches!(checked(&twice, &right(), SIGNED_S), Checked::Malformed), "not at the end");
    let mut class = request.clone();
    class[44] = 1;
    assert!(!matches!(checked(&class, &right(), SIGNED_S), Checked::Signed(_)));
}

#[test]
fn what_we_sign_we_believe() {
    let mut request = bytes(AXFR);
    request.truncate(wire::HEAD_BYTES + 14);
    request[11] = 0;
    sign_request(&right(), &mut request, SIGNED_S);
    let Checked::Signed(mut exchange) = checked(&request, &right(), SIGNED_S) else {
        panic!("not believed")
    };
    let mut reply = request[..wire::HEAD_BYTES + 14].to_vec();
    (reply[2], reply[11]) = (0x84, 0);
    let before = reply.len();
    exchange.sign(&mut reply, SIGNED_S);
    assert_eq!(reply.len() - before, exchange.bytes());
}
