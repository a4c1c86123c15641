//! A trace as a file that Wireshark opens.

use super::{Flag, Trace, What};
use crate::sim::dice::mix;
use etherparse::{IpHeaders, Ipv4Header, PacketBuilder, TcpHeader, TcpOptionElement};
use std::{
    io,
    net::{Ipv4Addr, SocketAddrV4},
    time::Duration,
};

/// The magic number of files whose times are in nanoseconds.
const NANOSECONDS: u32 = 0xA1B2_3C4D;

/// Packets begin with the header of IP.
const LINKTYPE_RAW: u32 = 101;

/// No packet is longer: what IPv4 holds.
const SNAPLEN: u32 = 65_535;

/// The most octets of a stream in one packet: what IPv4 holds, without the headers of IP and TCP.
const SEGMENT: u16 = 65_535 - 20 - 20;

/// 2001-01-01T00:00:00Z: when a run begins.
const EPOCH: u64 = 978_307_200;

/// Beacons go to all of 10.0.0.0/8.
const BROADCAST: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 255, 255, 255), 5670);

/// The window: with its scale more than 8 MB, so that no tool takes it for full.
const WINDOW: u16 = u16::MAX;
const WINDOW_SCALE: u8 = 7;

impl Trace {
    /// Writes all packets as a pcap file, for Wireshark and its like.
    ///
    /// It is as if each machine captured what it sends: a packet has the time at which it went out, and is there
    /// whether it arrived or not. Times begin with 2001-01-01T00:00:00Z and are kept to the nanosecond. Packets are IPv4
    /// without Ethernet (`LINKTYPE_RAW`), with valid checksums.
    ///
    /// - Beacons are UDP from the node's address and port 5670 to 10.255.255.255:5670: one packet, however many nodes
    ///   hear it.
    /// - Connections are TCP, with SYN, SYN-ACK, ACK, data, FIN and RST. An acknowledgement tells what had arrived when
    ///   the packet went out. The one that ends the handshake has a packet for itself, the others come with data only;
    ///   a node may speak before that one has come. Nothing is sent twice: octets that get lost are there once and are
    ///   never acknowledged.
    /// - A connection that is torn down in the middle ([`Sim::reset`](crate::sim::Sim::reset)) has an RST from each
    ///   end, as both hear one. An end that has not heard it yet may still speak.
    ///
    /// Traces of two runs that were the same give the same octets. Nothing is buffered: for a file, give it a
    /// [`BufWriter`](io::BufWriter).
    ///
    /// # Errors
    ///
    /// Those of `out`.
    pub fn write_pcap(&self, out: &mut (impl io::Write + ?Sized)) -> io::Result<()> {
        write_header(out)?;
        let mut packet = Vec::new();
        for record in self.records() {
            match &record.what {
                What::Datagram { from, data, .. } => {
                    let udp = PacketBuilder::ip(ip(*from, BROADCAST)).udp(from.port(), BROADCAST.port());
                    packet.clear();
                    udp.write(&mut packet, data).map_err(io::Error::other)?;
                    write_packet(out, record.at, &packet)?;
                }
                What::Segment { stream, from, to, flag, seq, ack, data } => {
                    let mut seq = *seq;
                    let mut rest = &data[..];
                    loop {
                        let (piece, after) = rest.split_at(rest.len().min(usize::from(SEGMENT)));
                        let mut tcp = header(*stream, (*from, *to), *flag, (seq, *ack)).map_err(io::Error::other)?;
                        tcp.psh = !piece.is_empty() && after.is_empty();
                        packet.clear();
                        let tcp = PacketBuilder::ip(ip(*from, *to)).tcp_header(tcp);
                        tcp.write(&mut packet, piece).map_err(io::Error::other)?;
                        write_packet(out, record.at, &packet)?;
                        if after.is_empty() {
                            break;
                        }
                        seq += piece.len() as u64;
                        rest = after;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// The builder fills in the lengths, the protocol and the checksum.
fn ip(from: SocketAddrV4, to: SocketAddrV4) -> IpHeaders {
    let (source, destination) = (from.ip().octets(), to.ip().octets());
    let header = Ipv4Header { time_to_live: 64, dont_fragment: true, source, destination, ..Ipv4Header::default() };
    IpHeaders::Ipv4(header, Default::default())
}

fn header(
    stream: u64,
    (from, to): (SocketAddrV4, SocketAddrV4),
    flag: Option<Flag>,
    (seq, ack): (u64, u64),
) -> Result<TcpHeader, etherparse::TcpOptionWriteError> {
    // Sequence numbers wrap.
    let sequence = first(stream, from).wrapping_add(seq as u32);
    let mut header = TcpHeader::new(from.port(), to.port(), sequence, WINDOW);
    if ack > 0 {
        header.ack = true;
        header.acknowledgment_number = first(stream, to).wrapping_add(ack as u32);
    }
    match flag {
        Some(Flag::Syn | Flag::SynAck) => {
            header.syn = true;
            header.set_options(&[
                TcpOptionElement::MaximumSegmentSize(SEGMENT),
                TcpOptionElement::Noop,
                TcpOptionElement::WindowScale(WINDOW_SCALE),
            ])?;
        }
        Some(Flag::Fin) => header.fin = true,
        Some(Flag::Rst) => header.rst = true,
        Some(Flag::Ack) | None => {}
    }
    Ok(header)
}

/// The first sequence number of an end. Each connection begins elsewhere, so that tools can tell it from an earlier one
/// between the same ports.
fn first(stream: u64, from: SocketAddrV4) -> u32 {
    mix(mix(stream) ^ u64::from(from.ip().to_bits()) << 16 ^ u64::from(from.port())) as u32
}

fn write_header(out: &mut (impl io::Write + ?Sized)) -> io::Result<()> {
    let mut header = Vec::with_capacity(24);
    header.extend(NANOSECONDS.to_le_bytes());
    // Version 2.4, times in UTC, which are exact.
    header.extend([2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    header.extend(SNAPLEN.to_le_bytes());
    header.extend(LINKTYPE_RAW.to_le_bytes());
    out.write_all(&header)
}

fn write_packet(out: &mut (impl io::Write + ?Sized), at: Duration, packet: &[u8]) -> io::Result<()> {
    // A run would have to last for a hundred years.
    let seconds = u32::try_from(EPOCH + at.as_secs()).unwrap_or(u32::MAX);
    let length = packet.len() as u32;
    let mut header = Vec::with_capacity(16);
    for word in [seconds, at.subsec_nanos(), length, length] {
        header.extend(word.to_le_bytes());
    }
    out.write_all(&header)?;
    out.write_all(packet)
}
