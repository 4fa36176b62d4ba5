//! Connections: how many, TLS and who is at the other end, and that they begin to speak in time.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use driftline_identity::{Gate, Peer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::Sleep;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::Connected;

/// Connections at a time; one holds some 40 KB before it has said anything, so these are 160 MB at the very worst.
const MAX_CONNECTIONS: usize = 4096;
/// Of one address: a whole fleet may stand behind one gateway, an agent process needs one.
const MAX_OF_ADDRESS: usize = 512;
/// A TLS handshake is two round trips; the slowest honest network takes less.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// HTTP/2's preface and the header of the first frame: an honest client sends them at once.
const OPENING: usize = 24 + 9;

/// Who is at the other end, as a request's extension tells.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// By its certificate; none on plaintext, and where proofs stand in for it.
    pub(crate) peer: Option<Arc<Peer>>,
    /// Where it is.
    pub(crate) address: IpAddr,
}

/// A connection whose peer is known.
pub(crate) struct Connection {
    io: Io,
    peer: Option<Arc<Peer>>,
    /// Until the opening was read.
    opening: Option<(usize, Pin<Box<Sleep>>)>,
    slot: Slot,
}

enum Io {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Accepts until `shutdown`. With a gate, only peers that it lets in come out.
pub(crate) fn connections(
    listener: TcpListener,
    gate: Option<Gate>,
    shutdown: CancellationToken,
) -> ReceiverStream<io::Result<Connection>> {
    let (out, accepted) = mpsc::channel(16);
    tokio::spawn(async move {
        let slots = Slots::default();
        loop {
            let next = tokio::select! {
                () = shutdown.cancelled() => return,
                () = out.closed() => return,
                next = listener.accept() => next,
            };
            let (tcp, address) = match next {
                Ok(next) => next,
                Err(error) => {
                    // Out of descriptors, most likely: some will be free soon.
                    tracing::warn!(%error, "no connection accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let Some(slot) = slots.take(address.ip()) else { continue };
            let (out, gate) = (out.clone(), gate.clone());
            tokio::spawn(async move {
                let greeted = tokio::time::timeout(HANDSHAKE, greet(tcp, gate, slot));
                match greeted.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
                    Ok(connection) => _ = out.send(Ok(connection)).await, // or the server is gone
                    Err(error) => tracing::debug!(%address, %error, "turned away"),
                }
            });
        }
    });
    ReceiverStream::new(accepted)
}

async fn greet(tcp: TcpStream, gate: Option<Gate>, slot: Slot) -> io::Result<Connection> {
    tcp.set_nodelay(true)?;
    let opening = Some((0, Box::pin(tokio::time::sleep(HANDSHAKE))));
    let Some(gate) = gate else {
        return Ok(Connection { io: Io::Plain(tcp), peer: None, opening, slot });
    };
    let tls = TlsAcceptor::from(gate.server_config()).accept(tcp).await?;
    let chain = tls.get_ref().1.peer_certificates().unwrap_or_default();
    let peer = if chain.is_empty() && gate.proofs().is_some() {
        None
    } else {
        Some(Arc::new(gate.identify(chain).map_err(io::Error::other)?))
    };
    Ok(Connection { io: Io::Tls(Box::new(tls)), peer, opening, slot })
}

impl Connected for Connection {
    type ConnectInfo = Caller;

    fn connect_info(&self) -> Caller {
        Caller { peer: self.peer.clone(), address: self.slot.address }
    }
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        if let Some((_, late)) = &mut this.opening
            && late.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        ready!(match &mut this.io {
            Io::Plain(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Io::Tls(tls) => Pin::new(tls.as_mut()).poll_read(cx, buf),
        })?;
        if let Some((read, _)) = &mut this.opening {
            *read += buf.filled().len() - before;
            if *read >= OPENING {
                this.opening = None;
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().io {
            Io::Plain(tcp) => Pin::new(tcp).poll_write(cx, bytes),
            Io::Tls(tls) => Pin::new(tls.as_mut()).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().io {
            Io::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Io::Tls(tls) => Pin::new(tls.as_mut()).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().io {
            Io::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Io::Tls(tls) => Pin::new(tls.as_mut()).poll_shutdown(cx),
        }
    }
}

/// Connections by address.
#[derive(Clone, Default)]
struct Slots(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// One of them; given back when dropped.
struct Slot {
    address: IpAddr,
    slots: Slots,
}

impl Slots {
    fn take(&self, address: IpAddr) -> Option<Slot> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = held.values().sum();
        let own = held.get(&address).copied().unwrap_or_default();
        if all >= MAX_CONNECTIONS || own >= MAX_OF_ADDRESS {
            return None;
        }
        held.insert(address, own + 1);
        Some(Slot { address, slots: self.clone() })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut held = self.slots.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = held.get_mut(&self.address) {
            *own -= 1;
            if *own == 0 {
                held.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_leaves_room_for_others_and_gives_its_own_back() {
        let slots = Slots::default();
        let address = |n: u8| IpAddr::from([10, 0, 0, n]);
        let mut held: Vec<Slot> = (0..MAX_OF_ADDRESS).map(|_| slots.take(address(1)).unwrap()).collect();
        assert!(slots.take(address(1)).is_none());
        assert!(slots.take(address(2)).is_some());
        held.pop();
        assert!(slots.take(address(1)).is_some());
        for n in 3..=9 {
            held.extend((0..MAX_OF_ADDRESS).map_while(|_| slots.take(address(n))));
        }
        held.extend(std::iter::repeat_with(|| slots.take(address(10))).map_while(|s| s).take(MAX_CONNECTIONS));
        assert_eq!(held.len(), MAX_CONNECTIONS);
        drop(held);
        assert!(slots.0.lock().unwrap().is_empty());
    }
}
