use super::*;
use std::io::Cursor;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Reads what a server sends behind its head, in pieces of `count` bytes.
fn read(sent: &[u8], count: usize) -> Result<(Vec<u8>, Option<String>), Fault> {
    static NO: AtomicBool = AtomicBool::new(false);
    let mut answer = Answer {
        status: 200,
        length_bytes: None,
        validator: None,
        part: None,
        digest: None,
        body: Body {
            left: Left::Chunk(0),
            ..Body::new(Cursor::new(sent.to_vec()), &NO)
        },
    };
    let (mut all, mut piece) = (Vec::new(), vec![0; count]);
    loop {
        match answer.read(&mut piece)? {
            0 => return Ok((all, answer.digest().map(String::from))),
            count => all.extend(&piece[..count]),
        }
    }
}

/// Whatever is missing at the end, it is a loss; whole, it is the bytes and their
/// digest.
#[test]
fn chunks_that_are_cut_anywhere_are_a_loss() {
    let whole: &[u8] = b"00000003\r\nabc\r\n2;x=y\r\nde\r\n0\r\nA: b\r\n\
        repr-digest: sha-512=:eHg=:, sha-256=:eA==:\r\n\r\n";
    let expected = (b"abcde".to_vec(), Some("eA==".to_owned()));
    for count in [1, 2, 100] {
        assert_eq!(read(whole, count).as_ref(), Ok(&expected));
    }
    for cut in 0..whole.len() {
        let lost = read(&whole[..cut], 100);
        assert!(matches!(lost, Err(Fault::Lost(_))), "{cut}: {lost:?}");
    }
    assert_eq!(read(b"0\r\n\r\n", 1), Ok((Vec::new(), None)));
}

#[test]
fn what_follows_the_chunks_without_end_is_a_loss() {
    let endless = [
        b"0\r\n".to_vec(),
        b"a: b\r\n".repeat(15),
        vec![b'c'; 20_000],
    ]
    .concat();
    assert!(matches!(read(&endless, 9), Err(Fault::Lost(_))));
}

/// A server that sends a byte each so often, by a clock of its own; where it has none
/// left, it is silent.
struct Drip {
    bytes: std::vec::IntoIter<u8>,
    every: Duration,
    clock: Arc<Mutex<Duration>>,
}

impl Read for Drip {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut clock = self.clock.lock().unwrap();
        match self.bytes.next() {
            Some(byte) => {
                *clock += self.every;
                buf[0] = byte;
                Ok(1)
            }
            None => {
                *clock += Duration::from_millis(250);
                Err(io::ErrorKind::WouldBlock.into())
            }
        }
    }
}

/// Whoever is slow is waited for, however long all of it takes; a byte now and then is no
/// answer, neither in the head nor in the body, and nothing at all is none either.
#[rstest::rstest]
#[case::a_slow_line(50, 5000, None)]
#[case::a_drip(500, 5000, Some("no more than"))]
#[case::a_drip_of_minutes(90_000, 5000, Some("no more than"))]
#[case::a_drip_in_the_head(2000, 0, Some("no more than"))]
#[case::silence_in_the_middle(1, 4999, Some("no more than"))]
#[case::silence_from_the_start(1, -1, Some("nothing came for a minute"))]
fn who_is_slow_is_waited_for_and_a_drip_is_not(
    #[case] every_ms: u64,
    #[case] body_bytes: i32,
    #[case] lost: Option<&str>,
) {
    static NO: AtomicBool = AtomicBool::new(false);
    let mut sent = b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n".to_vec();
    match usize::try_from(body_bytes) {
        Ok(count) => sent.extend(vec![b'x'; count]),
        Err(_) => sent.clear(),
    }
    let clock = Arc::new(Mutex::new(Duration::ZERO));
    let body = Body {
        pace: Pace::new(Box::new({
            let clock = clock.clone();
            move || *clock.lock().unwrap()
        })),
        ..Body::new(
            Drip {
                bytes: sent.into_iter(),
                every: Duration::from_millis(every_ms),
                clock: clock.clone(),
            },
            &NO,
        )
    };
    let came = answer(body).and_then(|answer| answer.text(5000));
    match (lost, came) {
        (None, came) => assert_eq!(came.map(|text| text.len()), Ok(5000)),
        (Some(lost), Err(Fault::Lost(why))) => {
            assert!(why.contains(lost), "{why}");
            let waited = *clock.lock().unwrap();
            // A kilobyte may be there before the drip's minute.
            let most = Duration::from_secs(2 * 60 + 90);
            assert!(waited < most, "{waited:?}");
        }
        (_, other) => panic!("{other:?}"),
    }
}
