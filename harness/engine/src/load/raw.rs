//! A case file as serde sees it: every key, no meaning yet.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// The whole file.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCase {
    pub(super) purpose: Text,
    #[serde(default)]
    pub(super) claims: Pairs<RawPrediction>,
    pub(super) cites: Vec<Text>,
    pub(super) topology: Option<Text>,
    pub(super) open: Option<Text>,
    #[serde(default)]
    pub(super) variants: Pairs<RawAxis>,
    #[serde(default)]
    pub(super) sysctls: Pairs<Text>,
    #[serde(default, rename = "optional-sysctls")]
    pub(super) optional_sysctls: Pairs<Text>,
    pub(super) peer: Option<RawPeer>,
    pub(super) mtu: Option<Text>,
    pub(super) steps: Vec<RawStep>,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping with mss, wscale and win")]
pub(super) struct RawPeer {
    pub(super) mss: Option<Text>,
    pub(super) wscale: Option<Text>,
    pub(super) win: Option<Text>,
}

#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RawStep {
    Establish,
    /// Another connection than the first.
    EstablishOn(Text),
    A(Text),
    B(Text),
    A2(Text),
    B2(Text),
    A3(Text),
    B3(Text),
    A4(Text),
    B4(Text),
    Expect(Short<RawExpect>),
    Inject(Short<RawInject>),
    Icmp(Short<RawIcmp>),
    State(Short<RawState>),
    Poll(Short<RawPoll>),
    Wait(Text),
    Ports(Short<RawPorts>),
    Drop(Short<RawFrames>),
    Delay(RawDelay),
    Duplicate(Short<RawDuplicate>),
    Swap(Short<RawFrames>),
    Rewrite(RawRewrite),
    When(Pairs<Vec<RawStep>>),
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawExpect {
    pub(super) segment: Text,
    pub(super) from: Option<Text>,
    pub(super) within: Option<Text>,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawInject {
    pub(super) segment: Text,
    pub(super) to: Option<Text>,
    #[serde(default)]
    pub(super) damage: Vec<RawDamage>,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawIcmp {
    pub(super) error: Text,
    pub(super) to: Option<Text>,
    pub(super) seq: Option<Text>,
}

#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RawDamage {
    Checksum,
    DataOffset(Text),
    Truncate(Text),
    Reserved(Text),
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawState {
    pub(super) is: Text,
    pub(super) of: Option<Text>,
    pub(super) within: Option<Text>,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPoll {
    pub(super) events: Text,
    pub(super) on: Option<Text>,
    pub(super) within: Option<Text>,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPorts {
    pub(super) connections: Text,
    pub(super) of: Option<Text>,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFrames {
    pub(super) frames: Text,
    pub(super) from: Option<Text>,
    pub(super) times: Option<Text>,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping with frames and by, as in `{frames: F., by: 100ms}`")]
pub(super) struct RawDelay {
    pub(super) frames: Text,
    pub(super) by: Text,
    pub(super) from: Option<Text>,
    pub(super) times: Option<Text>,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawDuplicate {
    pub(super) frames: Text,
    pub(super) copies: Option<Text>,
    pub(super) from: Option<Text>,
    pub(super) times: Option<Text>,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping with frames and to, as in `{frames: F., to: R}`")]
pub(super) struct RawRewrite {
    pub(super) frames: Text,
    pub(super) to: Text,
    pub(super) from: Option<Text>,
    pub(super) times: Option<Text>,
}

/// What a claim predicts: the events alone, or with words for the condition.
#[derive(Debug)]
pub(super) struct RawPrediction {
    pub(super) given: Option<Text>,
    pub(super) predicts: Vec<RawPredicted>,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields, expecting = "an event, as in `segment: F.`")]
pub(super) struct RawPredicted {
    pub(super) segment: Option<Text>,
    pub(super) arrives: Option<Text>,
    pub(super) icmp: Option<Text>,
    pub(super) state: Option<Text>,
    pub(super) call: Option<Text>,
    pub(super) poll: Option<Text>,
    pub(super) not: Option<Box<RawPredicted>>,
    pub(super) when: Option<Pairs<Vec<RawPredicted>>>,
    pub(super) from: Option<Text>,
    pub(super) at: Option<Text>,
    pub(super) of: Option<Text>,
    pub(super) on: Option<Text>,
    pub(super) returns: Option<Text>,
    pub(super) within: Option<Text>,
    pub(super) after: Option<Text>,
    pub(super) ratio: Option<Text>,
    pub(super) times: Option<Text>,
    pub(super) header: Option<Text>,
    pub(super) checksum: Option<Text>,
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
