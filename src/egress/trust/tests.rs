use std::fs;
use std::os::unix::fs::symlink;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::*;
use crate::egress::fixture::Ca;

#[test]
fn every_certificate_of_a_file_is_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let (path, platform) = (folder.path().join("ca.pem"), folder.path().join("platform.pem"));
    fs::write(&path, format!("# ours\n{}\n{}", Ca::new("one").pem(), Ca::new("two").pem())).unwrap();
    fs::write(&platform, Ca::new("public").pem()).unwrap();
    let trusted = load(&only(&platform), &[CaSource::File(path.clone())]).unwrap();
    assert_eq!(trusted.store.len(), 3, "each source beside the others");
    assert_eq!(trusted.to_string(), format!("1 of {}, 2 of {}", platform.display(), path.display()));
}

#[test]
fn what_is_named_twice_is_counted_once() {
    let folder = tempfile::tempdir().unwrap();
    let (path, copy) = (folder.path().join("ca.pem"), folder.path().join("copy.pem"));
    let (one, two) = (Ca::new("one"), Ca::new("two"));
    fs::write(&path, one.pem()).unwrap();
    fs::write(&copy, BASE64_STANDARD.encode(format!("{}{}", one.pem(), two.pem()))).unwrap();
    let trusted = load(&only(&path), &[CaSource::File(copy.clone()), CaSource::File(copy)]).unwrap();
    assert_eq!(trusted.store.len(), 2);
    let counts: Vec<_> = trusted.sources.iter().map(|it| (it.certificates, it.repeated)).collect();
    assert_eq!(counts, [(1, 0), (1, 1), (0, 2)]);
    assert!(trusted.to_string().ends_with("(2 more of it trusted already)"), "{trusted}");
}

/// What a chart sets: `SSL_CERT_DIR=/etc/ssl/certs:/etc/backline/ca`, where the second is a mounted secret with `ca.crt`.
#[test]
fn folders_of_the_platform_and_of_the_customer_are_read_without_hash_links() {
    let (certs, share, mounted) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let publics = ["Public A", "Public B"].map(Ca::new);
    // As ca-certificates of Debian does it: links under two names, and all of them in one file.
    for (at, ca) in publics.iter().enumerate() {
        let real = share.path().join(format!("public-{at}.crt"));
        fs::write(&real, ca.pem()).unwrap();
        symlink(&real, certs.path().join(format!("public-{at}.pem"))).unwrap();
        symlink(format!("public-{at}.pem"), certs.path().join(format!("0f00ba{at}.0"))).unwrap();
    }
    let bundle: String = publics.iter().map(Ca::pem).collect();
    fs::write(certs.path().join("ca-certificates.crt"), bundle).unwrap();
    mount(mounted.path(), &Ca::new("Internal"));
    let both = format!("{}:{}", certs.path().display(), mounted.path().display());
    let trusted = load(&Roots::named("", &both), &[]).unwrap();
    assert_eq!(trusted.store.len(), 3, "{trusted}");
    assert_eq!(
        trusted.to_string(),
        format!("2 of {}, 1 of {}", certs.path().display(), mounted.path().display())
    );
}

#[test]
fn a_folder_of_the_customer_gives_what_its_files_hold_and_leaves_out_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (Ca::new("one"), Ca::new("two"));
    mount(folder.path(), &one);
    fs::write(folder.path().join("b64"), BASE64_STANDARD.encode(two.pem())).unwrap();
    fs::write(folder.path().join("tls.key"), one.issue("localhost").key_pem()).unwrap();
    fs::write(folder.path().join("README"), "no certificate").unwrap();
    fs::write(folder.path().join(".hidden"), Ca::new("hidden").pem()).unwrap();
    fs::create_dir(folder.path().join("below")).unwrap();
    fs::write(folder.path().join("below").join("ca.crt"), Ca::new("below").pem()).unwrap();
    let source = CaSource::at(folder.path().to_owned());
    assert_eq!(source, CaSource::Folder(folder.path().to_owned()));
    let path = folder.path().join("README");
    let platform = tempfile::NamedTempFile::new().unwrap();
    fs::write(platform.path(), Ca::new("public").pem()).unwrap();
    let trusted = load(&only(platform.path()), std::slice::from_ref(&source)).unwrap();
    assert_eq!(trusted.sources[1].certificates, 2, "{trusted}");
    for name in ["ca.crt", "b64"] {
        fs::remove_file(folder.path().join(name)).unwrap();
    }
    let text = source.check().unwrap_err().to_string();
    assert_eq!(text, format!("{} holds no file with a certificate in PEM", folder.path().display()));
    assert_eq!(CaSource::at(path.clone()), CaSource::File(path));
}

#[test]
fn a_named_source_without_a_certificate_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.crt");
    let good = folder.path().join("good.crt");
    fs::write(&good, Ca::new("good").pem()).unwrap();
    let der = Ca::new("der").der();
    let broken = "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n";
    let cut = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let cases: [(&[u8], &str); 5] = [
        (b"hello", "holds no certificate in PEM"),
        (b"", "holds no certificate in PEM"),
        (&der, "is DER, not PEM"),
        (broken.as_bytes(), "is not sound PEM"),
        (cut.as_bytes(), "(number 1) that cannot be used"),
    ];
    for (content, expected) in cases {
        fs::write(&path, content).unwrap();
        let text = load(&only(&good), &[CaSource::File(path.clone())]).unwrap_err().to_string();
        assert!(text.contains(expected) && text.contains("ca.crt"), "{text}");
        let text = load(&only(&path), &[]).unwrap_err().to_string();
        assert!(text.contains("holds no certificate") && text.contains("ca.crt"), "{text}");
    }
    let empty = tempfile::tempdir().unwrap();
    let text = load(&Roots::named("", &empty.path().display().to_string()), &[]).unwrap_err().to_string();
    assert!(text.contains(&empty.path().display().to_string()), "{text}");
    let text = load(&only(&good), &[CaSource::File("/nowhere/ca".into())]).unwrap_err().to_string();
    assert!(text.starts_with("/nowhere/ca cannot be read"), "{text}");
}

#[test]
fn a_folder_that_is_missing_or_empty_counts_only_where_nobody_is_left() {
    let (folder, empty) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let ca = Ca::new("good");
    fs::write(folder.path().join("ca.crt"), ca.pem()).unwrap();
    let [good, empty] = [&folder, &empty].map(|folder| folder.path().display().to_string());
    for bad in [&*empty, "/nowhere/ca"] {
        let both = load(&Roots::named("", &format!("{good}:{bad}")), &[]).unwrap();
        assert_eq!(both.store.len(), 1, "{bad}");
        assert_eq!(load(&Roots::named("", &format!("{bad}:{good}")), &[]).unwrap().store.len(), 1, "{bad}");
        let named = Roots::named("", bad);
        let extra = [CaSource::Pem { name: "extra".into(), pem: ca.pem().into_bytes() }];
        assert_eq!(load(&named, &extra).unwrap().store.len(), 1, "{bad}");
        assert!(named.check(&extra).is_ok() && named.check(&[]).is_err(), "{bad}");
        assert!(load(&named, &[]).unwrap_err().to_string().starts_with(bad), "{bad}");
    }
}

#[test]
fn a_file_without_an_end_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.crt");
    File::create(&path).unwrap().set_len(LARGEST + 1).unwrap();
    let text = CaSource::File(path).check().unwrap_err().to_string();
    assert!(text.contains("large.crt is larger than 16 MiB"), "{text}");
    let text = CaSource::File("/dev/zero".into()).check().unwrap_err().to_string();
    assert_eq!(text, "/dev/zero is not a regular file");
}

#[test]
fn nothing_named_is_the_platform() {
    assert_eq!(Roots::named("", ":"), Roots::Platform);
}

fn only(path: &Path) -> Roots {
    Roots::Named { file: Some(path.to_owned()), folders: Vec::new() }
}

/// A volume as Kubernetes mounts it: `ca.crt` → `..data/ca.crt`, `..data` → `..v1`.
fn mount(folder: &Path, ca: &Ca) {
    fs::create_dir(folder.join("..v1")).unwrap();
    fs::write(folder.join("..v1").join("ca.crt"), ca.pem()).unwrap();
    symlink("..v1", folder.join("..data")).unwrap();
    symlink("..data/ca.crt", folder.join("ca.crt")).unwrap();
}
