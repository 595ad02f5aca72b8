//! A case file as serde sees it: every key, no meaning yet.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// The whole file.
#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCase {
    /// One sentence: what must hold.
    pub(super) purpose: Text,
    /// What claims of the ledger predict here, by their ids.
    #[serde(default)]
    pub(super) claims: Pairs<RawPrediction>,
    /// What the case holds the kernel to, as in `RFC 9293 3.10.7.4`, `Linux tcp_fin()` or `Linux sysctl tcp_fin_timeout`.
    pub(super) cites: Vec<Text>,
    /// `crafted` (the default), `two-kernels` or `routed`; under `variants` for more than one.
    pub(super) topology: Option<Text>,
    /// `active` (the default): `a` connects; `passive`: `a` listens.
    pub(super) open: Option<Text>,
    /// Axes: one case for each combination of their values. `timestamps`, `sack`, `ip`, `topology` and `open` mean something by themselves; others are yours.
    #[serde(default)]
    pub(super) variants: Pairs<RawAxis>,
    /// Sysctls below `net.ipv4` in the namespaces of the endpoints under test.
    #[serde(default)]
    pub(super) sysctls: Pairs<Text>,
    /// The same, where the kernel has them: what it lacks is left out, and the case is played all the same.
    #[serde(default, rename = "optional-sysctls")]
    pub(super) optional_sysctls: Pairs<Text>,
    /// Sysctls below `net.ipv4` of the whole kernel: the case is played in a machine of its own only, and alone there.
    #[serde(default, rename = "machine-sysctls")]
    pub(super) machine_sysctls: Pairs<Text>,
    /// What the crafted peer offers in its SYN.
    pub(super) peer: Option<RawPeer>,
    /// MTU of the links, bytes.
    pub(super) mtu: Option<Text>,
    /// What is done, and what is waited for, in order.
    pub(super) steps: Vec<RawStep>,
}

#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a mapping with mss, wscale and win")]
pub(super) struct RawPeer {
    /// MSS, bytes, or `none`.
    pub(super) mss: Option<Text>,
    /// Window scale shift, or `none`.
    pub(super) wscale: Option<Text>,
    /// The window in its segments, as in the header.
    pub(super) win: Option<Text>,
}

#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RawStep {
    /// Opens the connection: both ends reach ESTABLISHED.
    Establish,
    /// Opens another connection than the first, as in `establish-on: a2`.
    EstablishOn(Text),
    /// A call on `a`'s socket, as in `close()`, `write(100)` or `spare = dup()`; ` &` behind it goes on while it blocks.
    A(Text),
    /// A call on `b`'s socket, with two kernels.
    B(Text),
    /// A call on `a`'s socket of the second connection.
    A2(Text),
    /// A call on `b`'s socket of the second connection.
    B2(Text),
    /// Of the third.
    A3(Text),
    /// Of the third.
    B3(Text),
    /// Of the fourth.
    A4(Text),
    /// Of the fourth.
    B4(Text),
    /// Waits until a segment is emitted that fits.
    Expect(Short<RawExpect>),
    /// The crafted peer sends a segment.
    Inject(Short<RawInject>),
    /// An ICMP error about a segment of the kernel arrives.
    Icmp(Short<RawIcmp>),
    /// Waits until the kernel reports this state.
    State(Short<RawState>),
    /// Waits until poll reports these events.
    Poll(Short<RawPoll>),
    /// Lets time pass.
    Wait(Text),
    /// The ephemeral range has the ports of these connections from now on, and connect() finds the port itself.
    Ports(Short<RawPorts>),
    /// Asks a host, `a` or `b`, for what it has counted so far, as in /proc/net/snmp.
    Counters(Text),
    /// The middle loses segments that fit.
    Drop(Short<RawFrames>),
    /// The middle holds segments back.
    Delay(RawDelay),
    /// The middle delivers segments more than once.
    Duplicate(Short<RawDuplicate>),
    /// The middle delivers a segment behind the next one.
    Swap(Short<RawFrames>),
    /// The middle changes segments.
    Rewrite(RawRewrite),
    /// The middle answers segments in the name of the other end, which never gets them.
    Answer(RawAnswer),
    /// Steps for one value of an axis.
    When(Pairs<Vec<RawStep>>),
}

#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawExpect {
    /// A pattern: flags, numbers relative to the initial ones, as tcpdump writes them; what it leaves out is not looked at.
    pub(super) segment: Text,
    /// Whose segment; `a` unless it says otherwise.
    pub(super) from: Option<Text>,
    /// For how long, as in `3s`; 1s unless it says otherwise.
    pub(super) within: Option<Text>,
}

#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawInject {
    /// The segment; numbers that it leaves out are filled in.
    pub(super) segment: Text,
    /// To whom; `a` unless it says otherwise.
    pub(super) to: Option<Text>,
    /// What is broken on purpose.
    #[serde(default)]
    pub(super) damage: Vec<RawDamage>,
}

#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawIcmp {
    /// Which error, as in `time-exceeded`.
    pub(super) error: Text,
    /// To whom; `a` unless it says otherwise.
    pub(super) to: Option<Text>,
    /// The sequence number that it quotes, that of the last segment unless it says otherwise.
    pub(super) seq: Option<Text>,
}

#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RawDamage {
    /// The TCP checksum is wrong.
    Checksum,
    /// The data offset field says so many 32-bit words.
    DataOffset(Text),
    /// The packet ends so many bytes early.
    Truncate(Text),
    /// The reserved bits have this value.
    Reserved(Text),
}

#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawState {
    /// The state, as in `FIN-WAIT-2`; `CLOSED` is no such connection.
    pub(super) is: Text,
    /// Of whom; `a` unless it says otherwise.
    pub(super) of: Option<Text>,
    /// For how long; 1s unless it says otherwise.
    pub(super) within: Option<Text>,
}

#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPoll {
    /// Events that poll must report, as in `IN RDHUP`.
    pub(super) events: Text,
    /// On whose socket; `a` unless it says otherwise.
    pub(super) on: Option<Text>,
    /// For how long; 1s unless it says otherwise.
    pub(super) within: Option<Text>,
}

#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPorts {
    /// Numbers of connections, as in `1` or `1-2`.
    pub(super) connections: Text,
    /// A host, `a` or `b`.
    pub(super) of: Option<Text>,
}

#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFrames {
    /// A pattern: which segments.
    pub(super) frames: Text,
    /// Who emits them; `a` unless it says otherwise.
    pub(super) from: Option<Text>,
    /// How many of them; 1 unless it says otherwise, or `forever`.
    pub(super) times: Option<Text>,
}

#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a mapping with frames and by, as in `{frames: F., by: 100ms}`")]
pub(super) struct RawDelay {
    /// A pattern: which segments.
    pub(super) frames: Text,
    /// How much later they arrive.
    pub(super) by: Text,
    /// Who emits them; `a` unless it says otherwise.
    pub(super) from: Option<Text>,
    /// How many of them; 1 unless it says otherwise, or `forever`.
    pub(super) times: Option<Text>,
}

#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawDuplicate {
    /// A pattern: which segments.
    pub(super) frames: Text,
    /// How often each arrives; 2 unless it says otherwise.
    pub(super) copies: Option<Text>,
    /// Who emits them; `a` unless it says otherwise.
    pub(super) from: Option<Text>,
    /// How many of them; 1 unless it says otherwise, or `forever`.
    pub(super) times: Option<Text>,
}

#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a mapping with frames and to, as in `{frames: F., to: R}`")]
pub(super) struct RawRewrite {
    /// A pattern: which segments.
    pub(super) frames: Text,
    /// The fields that change; flags are always taken from it.
    pub(super) to: Text,
    /// Who emits them; `a` unless it says otherwise.
    pub(super) from: Option<Text>,
    /// How many of them; 1 unless it says otherwise, or `forever`.
    pub(super) times: Option<Text>,
}

#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a mapping with frames and with, as in `{frames: F., with: .}`")]
pub(super) struct RawAnswer {
    /// A pattern: which segments.
    pub(super) frames: Text,
    /// The answer, with the other end's numbers; where it names none, those that acknowledge the segment.
    pub(super) with: Text,
    /// Who emits them; `a` unless it says otherwise.
    pub(super) from: Option<Text>,
    /// How many of them; 1 unless it says otherwise, or `forever`.
    pub(super) times: Option<Text>,
}

/// What a claim predicts: the events alone, or with words for the condition.
#[derive(Debug)]
pub(super) struct RawPrediction {
    pub(super) given: Option<Text>,
    pub(super) predicts: Vec<RawPredicted>,
}

#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an event, as in `segment: F.`")]
pub(super) struct RawPredicted {
    /// The endpoint emits one that fits this pattern.
    pub(super) segment: Option<Text>,
    /// One that fits this pattern arrives at the endpoint.
    pub(super) arrives: Option<Text>,
    /// An ICMP error of this kind arrives.
    pub(super) icmp: Option<Text>,
    /// The endpoint is seen in this state.
    pub(super) state: Option<Text>,
    /// This call of the steps returns.
    pub(super) call: Option<Text>,
    /// A poll reports at least these events.
    pub(super) poll: Option<Text>,
    /// This event does not come between the one before and the one behind.
    pub(super) not: Option<Box<RawPredicted>>,
    /// Events for one value of an axis.
    pub(super) when: Option<Pairs<Vec<RawPredicted>>>,
    /// Who emits.
    pub(super) from: Option<Text>,
    /// Where it arrives.
    pub(super) at: Option<Text>,
    /// Whose state.
    pub(super) of: Option<Text>,
    /// Whose call.
    pub(super) on: Option<Text>,
    /// A number, an errno or poll events.
    pub(super) returns: Option<Text>,
    /// At most this long after the event before.
    pub(super) within: Option<Text>,
    /// At least this long after the event before.
    pub(super) after: Option<Text>,
    /// The gap to the event before is so many times the gap before that one, give or take 15 %.
    pub(super) ratio: Option<Text>,
    /// Exactly so many come.
    pub(super) times: Option<Text>,
    /// Length of the TCP header, bytes.
    pub(super) header: Option<Text>,
    /// `valid`.
    pub(super) checksum: Option<Text>,
    /// TTL or hop limit.
    pub(super) ttl: Option<Text>,
}

impl<'de> Deserialize<'de> for RawPrediction {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<RawPrediction, D::Error> {
        #[derive(serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct WithGiven {
            given: Option<Text>,
            predicts: Vec<RawPredicted>,
        }

        struct PredictionVisitor;
        impl<'de> Visitor<'de> for PredictionVisitor {
            type Value = RawPrediction;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of events, or a mapping with given and predicts")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<RawPrediction, A::Error> {
                let predicts = Vec::deserialize(SeqAccessDeserializer::new(seq))?;
                Ok(RawPrediction { given: None, predicts })
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawPrediction, A::Error> {
                let WithGiven { given, predicts } = WithGiven::deserialize(MapAccessDeserializer::new(map))?;
                Ok(RawPrediction { given, predicts })
            }
        }
        d.deserialize_any(PredictionVisitor)
    }
}

/// The ledger: groups of claims.
pub(super) type RawLedger = Pairs<Vec<RawClaim>>;

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawClaim {
    pub(super) id: Text,
    pub(super) says: Text,
    pub(super) from: Vec<Text>,
    pub(super) watch: Option<Text>,
    pub(super) untested: Option<Text>,
}

/// A scalar of any YAML type, as text.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Text(pub(super) String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Text, D::Error> {
        struct TextVisitor;
        impl Visitor<'_> for TextVisitor {
            type Value = Text;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a number")
            }
            fn visit_str<E>(self, text: &str) -> Result<Text, E> {
                Ok(Text(text.to_string()))
            }
            fn visit_bool<E>(self, value: bool) -> Result<Text, E> {
                Ok(Text(value.to_string()))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Text, E> {
                Ok(Text(value.to_string()))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Text, E> {
                Ok(Text(value.to_string()))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Text, E> {
                Ok(Text(value.to_string()))
            }
        }
        d.deserialize_any(TextVisitor)
    }
}

/// A mapping with names of the file's own, in its order.
#[derive(Debug)]
pub(super) struct Pairs<T>(pub(super) Vec<(String, T)>);

impl<T> Default for Pairs<T> {
    fn default() -> Pairs<T> {
        Pairs(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Pairs<T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Pairs<T>, D::Error> {
        struct PairsVisitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for PairsVisitor<T> {
            type Value = Pairs<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mapping")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<T>, A::Error> {
                let mut pairs = Vec::new();
                while let Some((Text(key), value)) = map.next_entry()? {
                    pairs.push((key, value));
                }
                Ok(Pairs(pairs))
            }
        }
        d.deserialize_map(PairsVisitor(PhantomData))
    }
}

/// The values of an axis: names alone, or names with the text that stands for each.
#[derive(Debug)]
pub(super) enum RawAxis {
    Names(Vec<Text>),
    Texts(Pairs<Text>),
}

impl<'de> Deserialize<'de> for RawAxis {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<RawAxis, D::Error> {
        struct AxisVisitor;
        impl<'de> Visitor<'de> for AxisVisitor {
            type Value = RawAxis;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of values, or a mapping from values to their texts")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<RawAxis, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(seq)).map(RawAxis::Names)
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawAxis, A::Error> {
                Pairs::deserialize(MapAccessDeserializer::new(map)).map(RawAxis::Texts)
            }
        }
        d.deserialize_any(AxisVisitor)
    }
}

/// A step's mapping, or its main text alone.
#[derive(Debug)]
pub(super) struct Short<T>(pub(super) T);

/// What can be written as one text.
pub(super) trait FromText {
    fn from_text(text: Text) -> Self;
}

macro_rules! from_text {
    ($($type:ident { $main:ident, $($rest:ident),* })*) => {
        $(impl FromText for $type {
            fn from_text($main: Text) -> $type {
                $type { $main, $($rest: Default::default()),* }
            }
        })*
    };
}

from_text! {
    RawExpect { segment, from, within }
    RawInject { segment, to, damage }
    RawIcmp { error, to, seq }
    RawState { is, of, within }
    RawPoll { events, on, within }
    RawPorts { connections, of }
    RawFrames { frames, from, times }
    RawDuplicate { frames, copies, from, times }
}

impl<'de, T: Deserialize<'de> + FromText> Deserialize<'de> for Short<T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Short<T>, D::Error> {
        struct ShortVisitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de> + FromText> Visitor<'de> for ShortVisitor<T> {
            type Value = Short<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, or a mapping")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Short<T>, E> {
                Ok(Short(T::from_text(Text(text.to_string()))))
            }
            fn visit_u64<E: Error>(self, value: u64) -> Result<Short<T>, E> {
                self.visit_str(&value.to_string())
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Short<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Short)
            }
        }
        d.deserialize_any(ShortVisitor(PhantomData))
    }
}
