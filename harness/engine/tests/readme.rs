//! What cases/README.md shows is true: each example loads, and no step kind or call is without one.

use tcpconform_engine::load;

const README: &str = include_str!("../../../cases/README.md");

/// The YAML examples.
fn examples() -> Vec<&'static str> {
    README.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

/// The example as a case file: steps alone get what stands before them.
fn files(example: &str) -> Vec<String> {
    if example.starts_with("purpose:") {
        return vec![example.to_string()];
    }
    let steps: String = example.lines().map(|line| format!("  {line}\n")).collect();
    let heads = ["open: passive\n", "", "topology: two-kernels\n", "variants: {topology: [crafted, two-kernels]}\n"];
    heads.map(|head| format!("purpose: An example.\ncites: [RFC 9293 3.6]\n{head}steps:\n{steps}")).to_vec()
}

#[test]
fn every_example_loads() {
    for example in examples() {
        let complaints: Vec<String> = files(example)
            .iter()
            .filter_map(|file| load::load_text("example", "example.yaml", file.as_bytes()).err())
            .map(|complaints| complaints.to_string())
            .collect();
        assert!(complaints.len() < files(example).len(), "{example}\n{}", complaints.join("\n"));
    }
}

#[test]
fn every_step_has_an_example() {
    let schema = load::schema();
    let text: String = examples().concat();
    for step in schema["$defs"]["RawStep"]["oneOf"].as_array().expect("steps") {
        let name = step["const"].as_str().or_else(|| step["required"][0].as_str()).expect("a step's name");
        // The ends of further connections are all alike.
        if matches!(name, "b2" | "a3" | "b3" | "a4" | "b4") {
            continue;
        }
        assert!(text.contains(&format!("- {name}")), "no example of {name}");
    }
}
