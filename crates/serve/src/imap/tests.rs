use super::*;
use crate::accounts::{Accounts, NameRules};
use crate::auth::{Auth, Cost};
use crate::{Env, Limits, Node};
use ::store::MemoryStore;
use account::HoldSettings;
use proto::imap::{CommandReader, Event};
use terms::{AccountId, Timestamp};
use user::User;

const CHEAP: Cost = Cost {
    memory: 64,
    passes: 1,
    iterations: 16,
};

/// A session, logged in, and the client's end.
async fn session() -> (Session, tokio::io::DuplexStream) {
    let env = Env::simulated(1, Timestamp::from_seconds(1_767_225_600));
    let node = Node::new(env, Limits::default());
    let accounts = Accounts::new(node.clone(), Arc::new(MemoryStore::new()));
    let auth = Auth::new(node.clone(), CHEAP);
    let directory = Directory::open(accounts.clone(), auth, NameRules::default())
        .await
        .unwrap();
    let limits = account::Limits::default();
    let account = accounts
        .create(AccountId(1), limits, HoldSettings::default(), None)
        .await
        .unwrap();
    let (stream, client) = Stream::memory(node, 1 << 16);
    let mut session = Session::new(stream, Imap::new("localhost", directory.clone()));
    session.user = Some(Box::new(User::new("alice".to_owned(), account, directory)));
    (session, client)
}

fn tag() -> proto::imap::Tag {
    let mut reader = CommandReader::new(proto::imap::Limits::LOGGED_IN);
    match reader.read(&mut b"a NOOP\r\n".as_slice()) {
        Some(Event::Command(command)) => command.tag,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_session_holds_little() {
    let (mut session, _client) = session().await;
    let idle_octets = size_of_val(&idle::idle(&mut session, tag()));
    let kept_octets = size_of::<User>() + size_of::<selected::Selected>();
    let run_octets = size_of_val(&run(session.stream, session.imap));
    let all = idle_octets + kept_octets + run_octets;
    assert!(all < 3_400, "{idle_octets} + {kept_octets} + {run_octets}");
}

/// RFC 9585: what takes long is told now and then, and first after ten seconds.
#[tokio::test(start_paused = true)]
async fn progress_is_told_of_what_takes_long() {
    use tokio::io::AsyncReadExt as _;
    let (mut session, mut client) = session().await;
    let (env, tag) = (session.stream.node().env.clone(), tag());
    let progress = progress::Progress::of(1_000);
    let messages = progress.count(Box::new(std::iter::empty()));
    let work = async {
        env.sleep(Duration::from_secs(25)).await;
        Ok(messages.count())
    };
    let told = progress.of_work(&mut session.stream, &tag, Box::pin(work));
    assert_eq!(told.await.unwrap().unwrap(), 0);
    let crowded = async {
        env.sleep(Duration::from_secs(11)).await;
        Err::<(), _>(StreamError::Crowded)
    };
    let progress = progress::Progress::unknown();
    let told = progress.of_work(&mut session.stream, &tag, Box::pin(crowded));
    // A node that has too much to do ends the command, not the session.
    assert!(told.await.unwrap().is_err());
    let mut octets = vec![0; 1_000];
    let count = client.read(&mut octets).await.unwrap();
    let lines = "* OK [INPROGRESS (\"a\" 0 1000)] still at it\r\n".repeat(2)
        + "* OK [INPROGRESS (\"a\" NIL NIL)] still at it\r\n";
    assert_eq!(String::from_utf8_lossy(&octets[..count]), lines);
}
