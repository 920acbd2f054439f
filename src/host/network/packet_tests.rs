//! DHCP messages, octet by octet.

use super::lease::{Identity, Terms};
use super::packet::{Kind, Question, Reply, Saying};
use super::setup::Route;
use std::net::Ipv4Addr;
use std::time::Duration;

const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];

fn reply(options: &[u8]) -> Vec<u8> {
    let mut octets = vec![0; 240];
    octets[..3].copy_from_slice(&[2, 1, 6]);
    octets[4..8].copy_from_slice(&7_u32.to_be_bytes());
    octets[16..20].copy_from_slice(&[192, 168, 1, 5]);
    octets[28..34].copy_from_slice(&MAC);
    octets[236..].copy_from_slice(&[99, 130, 83, 99]);
    octets.extend(options);
    octets
}

fn terms(options: &[u8]) -> Option<Terms> {
    let mut all = vec![53, 1, 5, 54, 4, 192, 168, 1, 1];
    all.extend(options);
    Reply::parse(&reply(&all), MAC).unwrap().terms
}

#[test]
fn an_offer_is_read_whole() {
    let mut options = vec![53, 1, 2, 54, 4, 192, 168, 1, 1, 51, 4, 0, 0, 14, 16, 1, 4, 255, 255, 254, 0];
    options.extend([0, 0, 3, 4, 192, 168, 1, 1, 6, 8, 9, 9, 9, 9, 1, 1, 1, 1, 15, 5, b'h', b'o', b'm', b'e', 0]);
    options.extend([42, 4, 192, 168, 1, 2, 121, 11, 8, 10, 192, 168, 1, 9, 0, 0, 0, 0, 0, 255]);
    let reply = Reply::parse(&reply(&options), MAC).unwrap();
    assert_eq!((reply.kind, reply.exchange), (Kind::Offer, 7));
    assert_eq!(reply.address, Ipv4Addr::new(192, 168, 1, 5));
    assert_eq!(reply.server, Some(Ipv4Addr::new(192, 168, 1, 1)));
    let terms = reply.terms.unwrap();
    assert_eq!((terms.prefix, terms.lasts), (23, Some(Duration::from_hours(1))));
    assert_eq!((terms.renew, terms.rebind), (Duration::from_mins(30), Duration::from_secs(3150)));
    assert_eq!(terms.dns, [Ipv4Addr::new(9, 9, 9, 9), Ipv4Addr::new(1, 1, 1, 1)]);
    assert_eq!(terms.domain.as_deref(), Some("home"));
    assert_eq!(terms.time_servers, [Ipv4Addr::new(192, 168, 1, 2)]);
    let to = Ipv4Addr::new(10, 0, 0, 0);
    let far = Route { to, prefix: 8, via: Some(Ipv4Addr::new(192, 168, 1, 9)) };
    let near = Route { to: Ipv4Addr::UNSPECIFIED, prefix: 0, via: None };
    assert_eq!(terms.routes, [far, near]);
}

#[test]
fn times_of_a_server_are_kept_only_where_they_follow_each_other() {
    let lease = [51, 4, 0, 0, 0, 120];
    let with = |renew: u8, rebind: u8| {
        let terms = terms(&[&lease[..], &[58, 4, 0, 0, 0, renew, 59, 4, 0, 0, 0, rebind]].concat()).unwrap();
        (terms.renew.as_secs(), terms.rebind.as_secs())
    };
    assert_eq!(with(20, 40), (20, 40));
    assert_eq!(with(40, 20), (60, 105));
    assert_eq!(with(60, 130), (60, 105));
    assert_eq!(with(0, 40), (4, 40));
    assert_eq!(terms(&[51, 4, 255, 255, 255, 255]).unwrap().lasts, None);
}

#[test]
fn terms_that_cannot_be_kept_to_are_none() {
    assert_eq!(terms(&[]), None);
    assert_eq!(terms(&[51, 4, 0, 0, 0, 3]), None);
    assert_eq!(terms(&[51, 3, 0, 0, 3]), None);
}

#[test]
fn an_option_that_does_not_parse_hides_no_other() {
    let options = [51, 4, 0, 0, 14, 16, 6, 5, 9, 9, 9, 9, 9, 121, 2, 99, 1, 3, 4, 192, 168, 1, 1];
    let terms = terms(&options).unwrap();
    assert_eq!(terms.routers, [Ipv4Addr::new(192, 168, 1, 1)]);
    assert!(terms.routes.is_empty());
}

#[test]
fn options_in_the_fields_for_names_count() {
    let mut octets = reply(&[53, 1, 5, 52, 1, 3, 255]);
    octets[108..115].copy_from_slice(&[51, 4, 0, 0, 14, 16, 255]);
    octets[44..51].copy_from_slice(&[54, 4, 192, 168, 1, 1, 255]);
    let reply = Reply::parse(&octets, MAC).unwrap();
    assert!(reply.terms.is_some() && reply.server.is_some());
}

#[test]
fn what_is_for_others_or_cut_off_or_noise_is_nothing() {
    let octets = reply(&[53, 1, 5, 51, 4, 0, 0, 14, 16]);
    assert_eq!(Reply::parse(&octets, [2, 0, 0, 0, 0, 2]), None);
    for end in 0..octets.len() {
        let _ = Reply::parse(&octets[..end], MAC);
    }
    let mut random = fastrand::Rng::with_seed(1);
    for _ in 0..20_000 {
        let noise: Vec<u8> = (0..random.usize(..80)).map(|_| random.u8(..)).collect();
        let _ = Reply::parse(&reply(&noise), MAC);
    }
}

#[test]
fn a_question_says_who_asks_and_for_what() {
    let me = Identity { mac: MAC, name: "pillarbox".to_owned() };
    let saying = Saying::Discover { wish: Some(Ipv4Addr::new(192, 168, 1, 5)) };
    let question = Question { saying, to: Ipv4Addr::BROADCAST, exchange: 9, seconds: 3 };
    let octets = question.encode(&me).unwrap();
    assert!(octets.len() >= 300);
    // The flag that lets servers answer to all.
    assert_eq!(octets[10..12], [0x80, 0]);
    let has = |option: &[u8]| octets.windows(option.len()).any(|window| window == option);
    assert!(has(&[53, 1, 1]) && has(&[50, 4, 192, 168, 1, 5]) && has(&[61, 7, 1, 2, 0, 0, 0, 0, 1]));
    assert!(has(&[57, 2, 5, 192]) && has(b"\x0c\x09pillarbox") && has(b"\x3c\x09pillarbox"));
    assert!(has(&[55, 10, 1, 121, 3, 6, 15, 42, 51, 58, 59, 54]));
}

#[test]
fn a_renewal_names_the_address_where_the_rfc_wants_it() {
    let me = Identity { mac: MAC, name: "pillarbox".to_owned() };
    let saying = Saying::Extend { address: Ipv4Addr::new(192, 168, 1, 5) };
    let question = Question { saying, to: Ipv4Addr::new(192, 168, 1, 1), exchange: 9, seconds: 0 };
    let octets = question.encode(&me).unwrap();
    assert_eq!(octets[12..16], [192, 168, 1, 5]);
    assert_eq!(octets[10..12], [0, 0]);
    assert!(!octets.windows(2).any(|window| window == [50, 4] || window == [54, 4]));
}
