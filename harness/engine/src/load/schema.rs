//! The JSON Schema of a case file, for editors: what a YAML language server completes and checks.
//!
//! Owns how the hand-made types of a case file look in it; the rest comes from the types that serde reads. Refuses to check:
//! `check` knows more than a schema can say.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema, schema_for};

use super::raw::{Pairs, RawAxis, RawCase, RawPredicted, RawPrediction, Short, Text};

/// The schema (JSON Schema, draft 2020-12).
pub fn schema() -> serde_json::Value {
    let mut schema = schema_for!(RawCase);
    schema.insert("title".into(), "tcpconform case".into());
    schema.to_value()
}

impl JsonSchema for Text {
    fn schema_name() -> Cow<'static, str> {
        "Text".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": ["string", "number", "boolean"]})
    }
}

impl<T: JsonSchema> JsonSchema for Pairs<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("Pairs_{}", T::schema_name()).into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let value = generator.subschema_for::<T>();
        json_schema!({"type": "object", "additionalProperties": value})
    }
}

impl JsonSchema for RawAxis {
    fn schema_name() -> Cow<'static, str> {
        "Axis".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (names, texts) = (generator.subschema_for::<Vec<Text>>(), generator.subschema_for::<Pairs<Text>>());
        json_schema!({"anyOf": [names, texts]})
    }
}

impl<T: JsonSchema> JsonSchema for Short<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("Short_{}", T::schema_name()).into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (text, long) = (generator.subschema_for::<Text>(), generator.subschema_for::<T>());
        json_schema!({"anyOf": [text, long]})
    }
}

impl JsonSchema for RawPrediction {
    fn schema_name() -> Cow<'static, str> {
        "Prediction".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (events, text) = (generator.subschema_for::<Vec<RawPredicted>>(), generator.subschema_for::<Text>());
        json_schema!({"anyOf": [
            events,
            {
                "type": "object",
                "properties": {"given": text, "predicts": events},
                "required": ["predicts"],
                "additionalProperties": false,
            },
        ]})
    }
}

#[cfg(test)]
mod tests {
    use super::schema;

    #[test]
    fn every_key_of_a_case_is_described() {
        let schema = schema();
        let properties = schema["properties"].as_object().expect("properties");
        for (name, property) in properties {
            assert!(property.get("description").is_some(), "{name} has no description");
        }
        for step in schema["$defs"]["RawStep"]["oneOf"].as_array().expect("steps") {
            assert!(step.get("description").is_some(), "{step} has no description");
        }
    }
}
