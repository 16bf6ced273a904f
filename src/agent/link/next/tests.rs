use super::*;
use crate::proto::Fault;

fn refused(code: Code, reason: Reason) -> Failure {
    Status::from(Fault::new(code, reason, "no")).into()
}

#[test]
fn a_refused_key_and_an_old_protocol_wait_a_minute_and_say_what_to_do() {
    let key = refused(Code::Unauthenticated, Reason::CredentialInvalid);
    assert_eq!((key.verdict(), key.wait()), (Verdict::Credential, Wait::AtLeast(FOR_A_PERSON)));
    assert!(key.advice().remedy.contains("ACCESS_KEY"));
    let old = refused(Code::FailedPrecondition, Reason::ProtocolTooOld);
    assert_eq!((old.verdict(), old.wait()), (Verdict::Version, Wait::AtLeast(FOR_A_PERSON)));
    assert!(old.advice().remedy.contains("upgrade"));
}

#[test]
fn what_the_gateway_says_about_the_delay_wins() {
    let told = Duration::from_secs(7);
    let fault = Fault::new(Code::Unauthenticated, Reason::CredentialInvalid, "no").retry_after(told);
    assert_eq!(Failure::from(Status::from(fault)).wait(), Wait::AtLeast(told));
    let mut status = Status::from(Fault::new(Code::Unavailable, Reason::Busy, "full"));
    status.metadata_mut().insert("retry-after", "3".parse().expect("ascii"));
    assert_eq!(Failure::from(status).wait(), Wait::AtLeast(Duration::from_secs(3)));
}

#[test]
fn no_remote_answer_parks_the_agent_for_a_day() {
    let fault = Fault::new(Code::Unavailable, Reason::Busy, "").retry_after(Duration::from_secs(86_400));
    assert_eq!(Failure::from(Status::from(fault)).wait(), Wait::AtLeast(LONGEST_TOLD));
}

#[test]
fn an_answer_without_our_details_is_not_a_gitproxy_gateway() {
    for code in [Code::Unimplemented, Code::Unknown, Code::Internal, Code::Unauthenticated, Code::Unavailable]
    {
        let failure =
            Failure::from(Status::new(code, "grpc-status header missing, mapped from HTTP status code 404"));
        assert_eq!((failure.verdict(), failure.wait()), (Verdict::NotOurs, Wait::Backoff), "{code:?}");
        assert!(failure.advice().remedy.contains("not a gitproxy gateway"));
    }
}

#[test]
fn a_cause_begins_with_the_words_of_the_answer() {
    let foreign = Failure::from(Status::unavailable("the stream was cut"));
    assert_eq!(foreign.advice().cause, "the stream was cut");
    assert_eq!(foreign.to_string(), "the stream was cut (gRPC status Unavailable)");
    let mute = Failure::from(Status::unavailable(""));
    assert_eq!(mute.advice().cause, "it refused without a word (gRPC status Unavailable)");
}

#[test]
fn the_port_for_callers_is_told_from_a_bad_key() {
    let there = refused(Code::Unimplemented, Reason::MethodUnknown);
    assert_eq!((there.verdict(), there.advice().section), (Verdict::ForCallers, "not-grpc"));
    assert!(there.advice().remedy.contains("gateway.url"));
}

#[test]
fn an_envoy_without_its_gateway_is_a_bad_gateway() {
    for words in ["no healthy upstream", "upstream connect error or disconnect/reset before headers"] {
        let failure = Failure::from(Status::unavailable(words));
        assert_eq!((failure.verdict(), failure.advice().section), (Verdict::BadGateway, "bad-gateway"));
    }
}

#[test]
fn a_reverse_proxys_body_limit_is_named_with_its_setting() {
    let limit = refused(Code::Unavailable, Reason::BodyLimit);
    assert_eq!((limit.verdict(), limit.advice().section), (Verdict::BodyLimit, "body-limit"));
    assert!(limit.advice().remedy.contains("client_max_body_size 0"));
}

#[test]
fn a_connection_cut_for_want_of_a_client_certificate_says_so() {
    let cut = Failure::Cut(format!("TLS failed: {}: do this", egress::WANTS_CERTIFICATE).into());
    assert!(!cut.advice().cause.contains("do this"), "{:?}", cut.advice());
    assert_eq!((cut.verdict(), cut.advice().section), (Verdict::ClientCertificate, "client-certificate"));
    assert_eq!(Failure::Cut("broken pipe".into()).verdict(), Verdict::Cut);
}

#[test]
fn a_greeting_that_nobody_answers_is_a_slow_way() {
    let late = refused(Code::DeadlineExceeded, Reason::Deadline);
    assert_eq!((late.verdict(), late.advice().section), (Verdict::Way, "slow-link"));
}

#[test]
fn what_the_gateway_tells_to_wait_is_never_shortened() {
    for _ in 0..50 {
        let length = Wait::AtLeast(FOR_A_PERSON).length(Duration::ZERO);
        assert!(length >= FOR_A_PERSON && length <= FOR_A_PERSON * 3 / 2, "{length:?}");
    }
}
