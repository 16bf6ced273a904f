//! Compiles `proto/` to Rust, without protoc, and makes the table of methods from their options.
//!
//! Outputs in `OUT_DIR`: the generated modules, `descriptor.bin` (for reflection) and `methods.rs` (the table). A method
//! without its option ends the build with its name.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

use prost::Message as _;
use prost_reflect::{DescriptorPool, MethodDescriptor, Value};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let root = Path::new("proto");
    println!("cargo::rerun-if-changed={}", root.display());
    // A build script has no other way to learn its folder.
    #[expect(clippy::disallowed_methods, reason = "cargo tells the output folder by an environment variable")]
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo did not set OUT_DIR")?);
    let descriptors = compile(root)?;
    fs::write(out.join("methods.rs"), method_table(&descriptors)?)?;
    generate(&descriptors)?;
    fs::write(out.join("descriptor.bin"), without_comments(&descriptors)?)?;
    Ok(())
}

/// Compiles every file below `root` to an encoded descriptor set that keeps options and comments.
pub(crate) fn compile(root: &Path) -> Result<Vec<u8>, Failure> {
    let mut files = Vec::new();
    collect(root, &mut files)?;
    files.sort();
    let mut compiler = protox::Compiler::new([root])?;
    compiler.include_source_info(true).include_imports(true);
    compiler.open_files(files)?;
    // The decoded form would lose our options: prost-types keeps no extensions.
    Ok(compiler.encode_file_descriptor_set())
}

/// Makes the Rust text of the table of methods, or names the method that lacks its option.
pub(crate) fn method_table(descriptors: &[u8]) -> Result<String, Failure> {
    let pool = DescriptorPool::decode(descriptors)?;
    let mut rows = String::from("[\n");
    for service in pool.services().filter(|s| s.package_name().starts_with("gitproxy.")) {
        for method in service.methods() {
            rows.push_str(&method_row(&pool, service.full_name(), &method)?);
        }
    }
    rows.push(']');
    Ok(rows)
}

fn method_row(pool: &DescriptorPool, service: &str, method: &MethodDescriptor) -> Result<String, Failure> {
    let path = format!("/{service}/{}", method.name());
    let option = pool
        .get_extension_by_name("gitproxy.options.v1.method")
        .filter(|extension| method.options().has_extension(extension))
        .map(|extension| method.options().get_extension(&extension).into_owned());
    let Some(Value::Message(option)) = option else {
        return Err(format!("{path}: the method lacks `option (gitproxy.options.v1.method)`").into());
    };
    let variant = |field: &str, prefix: &str| -> Result<String, Failure> {
        let value = option.get_field_by_name(field).and_then(|v| v.as_enum_number()).unwrap_or_default();
        let kind = pool.get_enum_by_name(&format!("gitproxy.options.v1.{prefix}"));
        let name = kind.and_then(|kind| kind.get_value(value)).map(|v| v.name().to_owned());
        match name {
            Some(name) if value != 0 => {
                Ok(camel(name.trim_start_matches(&format!("{}_", prefix.to_uppercase()))))
            }
            Some(_) | None => {
                Err(format!("{path}: `{field}` of gitproxy.options.v1.method is not set").into())
            }
        }
    };
    Ok(format!(
        "Method {{ path: {path:?}, package: {:?}, effect: Effect::{}, class: Class::{} }},\n",
        method.parent_service().package_name(),
        variant("effect", "Effect")?,
        variant("class", "Class")?,
    ))
}

fn camel(shouted: &str) -> String {
    let mut letters = shouted.chars();
    letters.next().into_iter().chain(letters.as_str().to_lowercase().chars()).collect()
}

fn generate(descriptors: &[u8]) -> Result<(), Failure> {
    let set = prost_types::FileDescriptorSet::decode(descriptors)?;
    tonic_prost_build::configure()
        // Nobody dials by tonic: the outer stream has a connector of its own, the inner one is the pipe.
        .build_transport(false)
        .codec_path("crate::proto::codec::Lean")
        // File content and the bytes of the pipe pass through without a copy.
        .bytes(".gitproxy.tunnel.v1.AttachRequest")
        .bytes(".gitproxy.tunnel.v1.AttachResponse")
        .bytes(".gitproxy.tunnel.v1.ProbeRequest")
        .bytes(".gitproxy.tunnel.v1.ProbeResponse")
        .bytes(".gitproxy.scm.v1.GetFileResponse")
        .bytes(".gitproxy.scm.v1.GetArchiveResponse")
        .bytes(".gitproxy.scm.v1.EditFileRequest")
        // It carries a token; `proto::held` writes a Debug that does not.
        .skip_debug([".gitproxy.tunnel.v1.HeldConnection"])
        .compile_fds(set)?;
    Ok(())
}

/// Reflection needs no comments, and they are half of the set.
fn without_comments(descriptors: &[u8]) -> Result<Vec<u8>, Failure> {
    let pool = DescriptorPool::decode(descriptors)?;
    let mut kept = Vec::new();
    for file in pool.files() {
        let mut file = prost_reflect::DynamicMessage::decode(
            pool.get_message_by_name("google.protobuf.FileDescriptorProto")
                .ok_or("descriptor.proto is not in the set")?,
            file.encode_to_vec().as_slice(),
        )?;
        file.clear_field_by_name("source_code_info");
        kept.push(Value::Message(file));
    }
    let set = pool
        .get_message_by_name("google.protobuf.FileDescriptorSet")
        .ok_or("descriptor.proto is not in the set")?;
    let mut set = prost_reflect::DynamicMessage::new(set);
    set.set_field_by_name("file", Value::List(kept));
    Ok(set.encode_to_vec())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "proto") {
            files.push(path);
        }
    }
    Ok(())
}
