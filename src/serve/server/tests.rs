use super::*;
use crate::serve::connection::tests::{connected, context, ispot};
use std::net::TcpStream;

/// A client that takes what it asked for, and its end of the line.
fn busy(content: &mut Content, now: Instant) -> (Connection, OwnedFd) {
    let (mut connection, client) = connected("client", now);
    rustix::io::write(&client, b"GET /mtd3.bin HTTP/1.0\r\n\r\n").unwrap();
    connection.step(&context(), content, &Work::default(), now);
    assert_eq!(connection.need(), Need::Write);
    (connection, client)
}

/// A server all of whose places are taken by clients that took something at `now`, and
/// their ends of the lines.
fn full(content: &mut Content, now: Instant) -> (Server, Vec<Connection>, Vec<OwnedFd>) {
    let server = Server::bind("127.0.0.1:0".parse().unwrap(), None).unwrap();
    let all = (0..CONNECTIONS_MAX).map(|_| busy(content, now));
    let (connections, clients): (Vec<_>, Vec<_>) = all.unzip();
    (server, connections, clients)
}

/// All places are taken by clients that asked for much and take nothing: the next one
/// does not wait until their time is over, half a minute, but two seconds. The time is the
/// test's.
#[test]
fn who_takes_nothing_gives_its_place_away() {
    let (mut content, now) = (ispot(), Instant::now());
    let (server, mut connections, _clients) = full(&mut content, now);
    // The third was silent longest.
    let first = now.checked_sub(Duration::from_millis(1)).unwrap();
    (connections[2].since, connections[2].peer) = (first, "the third".into());
    let _client = TcpStream::connect(server.address).unwrap();
    for (later, comes_in) in [(STALL_TIME, false), (2 * STALL_TIME, true)] {
        assert_eq!(least(&connections, first + later).is_some(), comes_in);
        server.accept(&mut connections, first + later);
        assert_eq!(connections.len(), CONNECTIONS_MAX);
        let stays = connections.iter().any(|one| one.peer == "the third");
        assert_eq!(stays, !comes_in);
    }
}

/// Whoever comes from elsewhere, or to an address that the world reaches, is let in only
/// where such an address was named.
#[test]
fn strangers_are_let_in_only_where_that_was_asked_for() {
    let [near, far] = ["192.168.1.2", "203.0.113.7"].map(|ip| ip.parse::<IpAddr>().unwrap());
    let mut server = Server::bind("127.0.0.1:0".parse().unwrap(), None).unwrap();
    assert!(!server.is_public());
    for (peer, here, comes_in) in [
        (near, near, true),
        (far, near, false),
        (near, far, false),
        (far, far, false),
    ] {
        assert_eq!(server.lets_in(peer, here), comes_in, "{peer} to {here}");
    }
    server.is_public = true;
    assert!(server.lets_in(far, far));
}

/// Between the question whether somebody can go and the answer to who knocks, whoever
/// could have gone may have come on: the client outside is not let in and thrown out, it
/// waits for its place.
#[test]
fn who_comes_where_nobody_can_go_waits_for_a_place() {
    let (mut content, now) = (ispot(), Instant::now());
    let (server, mut connections, _clients) = full(&mut content, now);
    let client = TcpStream::connect(server.address).unwrap();
    server.accept(&mut connections, now);
    assert_eq!(connections.len(), CONNECTIONS_MAX);
    connections.pop();
    server.accept(&mut connections, now);
    assert_eq!(connections.len(), CONNECTIONS_MAX, "it was thrown out");
    let let_in = connections.last().unwrap();
    assert_eq!(let_in.peer, client.local_addr().unwrap().ip().to_string());
}
