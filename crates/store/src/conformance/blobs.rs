//! Blobs: their octets, who keeps them, what is derived from them.

use super::{Bench, Failure, Story, holds, noise, same, table};
use crate::{BlobError, CommitError};
use bytes::Bytes;
use terms::{BlobId, ModSeq};

table![
    ranges_are_cut_to_the_blob,
    a_sink_takes_any_pieces,
    sinks_do_not_mix,
    a_dropped_sink_leaves_nothing,
    one_body_for_several_accounts,
    a_blob_stays_while_somebody_needs_it,
    a_blob_put_by_one_user_is_bound_by_the_other,
    derived_rows_are_found_again,
    derived_rows_may_be_made_anew,
    many_blobs_in_one_commit,
    bodies_that_look_like_files_of_the_engine,
];

/// Text that packs well, with a header that ends after some lines.
fn letter(length: usize) -> Vec<u8> {
    let mut octets = b"From: a@example\r\nSubject: lines\r\n\r\n".to_vec();
    while octets.len() < length {
        octets.extend_from_slice(b"a line of a letter that says the same as all others\r\n");
    }
    octets.truncate(length);
    octets
}

/// Reads ranges around every place where something may begin or end.
async fn check_ranges(bench: &Bench<'_>, id: BlobId, octets: &[u8]) -> Story {
    let length = octets.len() as u64;
    let mut edges = vec![
        0,
        1,
        length / 2,
        length.saturating_sub(1),
        length,
        length + 1,
    ];
    for border in [512, 4_096, 65_536, 131_072, 1 << 20] {
        edges.extend([border - 1, border, border + 1]);
    }
    edges.retain(|edge| *edge <= length + 1);
    edges.push(u64::MAX);
    for start in &edges {
        for end in &edges {
            let expected = octets
                .get(usize::try_from((*start).min(length))?..usize::try_from((*end).min(length))?)
                .unwrap_or(&[]);
            let range = *start..*end;
            let read = bench.other.blob(id, range.clone()).await?;
            holds!(read == expected, "{start}..{end} of {length} octets");
            if let Some(read) = bench.store.blob_now(id, range) {
                holds!(read? == expected, "{start}..{end} of {length}, at once");
            }
        }
    }
    Ok(())
}

async fn ranges_are_cut_to_the_blob(bench: &mut Bench<'_>) -> Story {
    let account = bench.account();
    let mut bodies = Vec::new();
    for length in [
        0, 1, 35, 36, 511, 512, 513, 65_535, 65_536, 65_537, 131_072, 262_145,
    ] {
        bodies.push(noise(length as u64, length));
        bodies.push(letter(length));
    }
    let mut ids = Vec::new();
    for (number, body) in (1..).zip(&bodies) {
        let id = bench.put(body, b"").await?;
        bench
            .add(account, bench.binding(number, &[id], &[]))
            .await?;
        check_ranges(bench, id, body).await?;
        ids.push(id);
    }
    bench.reopen().await?;
    for (id, body) in ids.iter().zip(&bodies) {
        check_ranges(bench, *id, body).await?;
    }
    let stranger = bench.blob_id();
    same!(
        bench.store.blob(stranger, 0..1).await,
        Err(BlobError::Missing(stranger)),
        "a blob that nobody has put"
    );
    Ok(())
}

async fn a_sink_takes_any_pieces(bench: &mut Bench<'_>) -> Story {
    let account = bench.account();
    let cases: [(usize, usize, Option<u64>); 9] = [
        (3_000, 1, None),
        (3_000, 1, Some(3_000)),
        (70_000, 65_536, None),
        (200_000, 4_093, Some(1 << 20)),
        (1 << 18, 1 << 18, Some(1 << 18)),
        ((1 << 18) + 1, 1 << 16, None),
        (1_500_000, 65_521, Some(1_500_000)),
        (3_000_000, 1 << 20, None),
        (5_000_000, 5_000_000, Some(5_000_000)),
    ];
    let mut kept = Vec::new();
    for (number, (length, piece, hint)) in (1..).zip(cases) {
        let octets = match number % 2 {
            0 => letter(length),
            _ => noise(number, length),
        };
        let id = bench.blob_id();
        let mut sink = bench.store.blob_sink(id, hint);
        sink.write(b"").await?;
        for piece in octets.chunks(piece) {
            sink.write(piece).await?;
        }
        sink.finish(Bytes::new()).await?;
        bench
            .add(account, bench.binding(number, &[id], &[]))
            .await?;
        check_ranges(bench, id, &octets).await?;
        kept.push((id, octets));
    }
    bench.reopen().await?;
    for (id, octets) in &kept {
        check_ranges(bench, *id, octets).await?;
    }
    Ok(())
}

async fn sinks_do_not_mix(bench: &mut Bench<'_>) -> Story {
    let account = bench.account();
    let bodies: Vec<_> = (1..=5).map(|seed| noise(seed, 300_000)).collect();
    let ids: Vec<_> = bodies.iter().map(|_| bench.blob_id()).collect();
    let mut sinks: Vec<_> = ids
        .iter()
        .map(|id| bench.store.blob_sink(*id, None))
        .collect();
    for at in (0..300_000).step_by(37_000) {
        for (sink, body) in sinks.iter_mut().zip(&bodies) {
            sink.write(&body[at..(at + 37_000).min(body.len())]).await?;
        }
        // Commits go on between the pieces.
        let number = at as u64 / 37_000 + 1;
        bench.add(account, bench.one(number, b"between")).await?;
    }
    for sink in sinks {
        sink.finish(Bytes::new()).await?;
    }
    let next = bench.store.head(account).await?.next();
    bench.add(account, bench.binding(next.0, &ids, &[])).await?;
    for _ in 0..2 {
        for (id, body) in ids.iter().zip(&bodies) {
            let read = bench.store.blob(*id, 0..u64::MAX).await?;
            holds!(read == body, "each body is its own");
        }
        bench.reopen().await?;
    }
    Ok(())
}

async fn a_dropped_sink_leaves_nothing(bench: &mut Bench<'_>) -> Story {
    let account = bench.account();
    let mut ids = Vec::new();
    for length in [0, 10, 70_000, 1_000_000] {
        let id = bench.blob_id();
        let mut sink = bench.store.blob_sink(id, None);
        sink.write(&noise(1, length)).await?;
        drop(sink);
        ids.push(id);
    }
    for id in ids {
        let bound = bench
            .store
            .commit(account, ModSeq::ZERO, bench.binding(1, &[id], &[]))
            .await;
        holds!(
            matches!(bound, Err(CommitError::Refused(_))),
            "it is not there: {bound:?}"
        );
        same!(
            bench.store.blob(id, 0..1).await,
            Err(BlobError::Missing(id)),
            "its octets"
        );
    }
    same!(bench.store.head(account).await?, ModSeq::ZERO, "the head");
    Ok(())
}

async fn one_body_for_several_accounts(bench: &mut Bench<'_>) -> Story {
    let body = noise(3, 100_000);
    // The accounts release in every order that three can.
    let orders = [
        [0, 1, 2],
        [0, 2, 1],
        [1, 0, 2],
        [1, 2, 0],
        [2, 0, 1],
        [2, 1, 0],
    ];
    for order in orders {
        let blob = bench.put(&body, b"derived").await?;
        let accounts = [bench.account(), bench.account(), bench.account()];
        for account in accounts {
            bench.add(account, bench.binding(1, &[blob], &[])).await?;
        }
        for account in order.map(|index| accounts[index]) {
            holds!(
                bench.store.blob(blob, 0..u64::MAX).await? == body,
                "it is there"
            );
            bench.add(account, bench.binding(2, &[], &[blob])).await?;
        }
        may_have_gone(bench, blob, &body).await?;
    }
    bench.reopen().await
}

/// All have released it: it may have gone, or not yet.
async fn may_have_gone(bench: &Bench<'_>, blob: BlobId, body: &[u8]) -> Story {
    match bench.store.blob(blob, 0..u64::MAX).await {
        Ok(octets) => holds!(octets == body, "the octets are right or gone"),
        Err(BlobError::Missing(id)) if id == blob => {}
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

async fn a_blob_stays_while_somebody_needs_it(bench: &mut Bench<'_>) -> Story {
    let (account, friend, stranger) = (bench.account(), bench.account(), bench.account());
    let body = noise(9, 5_000);
    let (first, second) = (bench.put(&body, b"").await?, bench.put(&body, b"").await?);
    bench.add(account, bench.binding(1, &[first], &[])).await?;
    // One commit binds the one and releases the other; binding again is no
    // second bond; releasing what one has not bound does nothing.
    bench
        .add(friend, bench.binding(1, &[first, second, first], &[]))
        .await?;
    bench.add(friend, bench.binding(2, &[first], &[])).await?;
    bench
        .add(account, bench.binding(2, &[second], &[first]))
        .await?;
    bench
        .add(stranger, bench.binding(1, &[], &[first, second]))
        .await?;
    bench.reopen().await?;
    for blob in [first, second] {
        holds!(
            bench.store.blob(blob, 0..9_999).await? == body,
            "it is there"
        );
    }
    bench
        .add(friend, bench.binding(3, &[], &[first, second]))
        .await?;
    may_have_gone(bench, first, &body).await?;
    bench.reopen().await?;
    holds!(
        bench.store.blob(second, 0..9_999).await? == body,
        "the last bond holds"
    );
    may_have_gone(bench, first, &body).await?;
    // Removing an account releases what it has bound, and only that.
    bench.add(friend, bench.binding(4, &[second], &[])).await?;
    bench.store.remove(account).await?;
    holds!(
        bench.store.blob(second, 0..9_999).await? == body,
        "the friend's bond holds"
    );
    bench.store.remove(friend).await?;
    may_have_gone(bench, second, &body).await
}

async fn a_blob_put_by_one_user_is_bound_by_the_other(bench: &mut Bench<'_>) -> Story {
    let account = bench.account();
    let body = noise(4, 66_000);
    let blob = bench.put(&body, b"row").await?;
    bench
        .other
        .commit(account, ModSeq::ZERO, bench.binding(1, &[blob], &[]))
        .await?;
    holds!(
        bench.store.blob(blob, 0..u64::MAX).await? == body,
        "the octets"
    );
    same!(
        bench.other.derived(&[blob]).await?,
        [Some(Bytes::from_static(b"row"))],
        "the row"
    );
    Ok(())
}

async fn derived_rows_are_found_again(bench: &mut Bench<'_>) -> Story {
    let account = bench.account();
    let with = bench.put(b"a body", b"a row").await?;
    let without = bench.put(b"another body", b"").await?;
    let large = bench.put(&noise(1, 400_000), b"of a large one").await?;
    bench
        .add(account, bench.binding(1, &[with, without, large], &[]))
        .await?;
    let stranger = bench.blob_id();
    for _ in 0..2 {
        let rows = bench
            .store
            .derived(&[large, stranger, with, without, with])
            .await?;
        let row = |octets: &'static [u8]| Some(Bytes::from_static(octets));
        let expected = [
            row(b"of a large one"),
            None,
            row(b"a row"),
            None,
            row(b"a row"),
        ];
        same!(rows, expected, "the rows");
        bench.reopen().await?;
    }
    Ok(())
}

async fn derived_rows_may_be_made_anew(bench: &mut Bench<'_>) -> Story {
    let account = bench.account();
    let blob = bench.put(b"a body", b"").await?;
    bench.add(account, bench.binding(1, &[blob], &[])).await?;
    let row = Bytes::from(noise(5, 30_000));
    bench.store.put_derived(blob, row.clone());
    bench
        .store
        .put_derived(bench.blob_id(), Bytes::from_static(b"of nothing"));
    for _ in 0..2 {
        for found in bench.store.derived(&[blob]).await?.into_iter().flatten() {
            holds!(found == row, "lost or right");
        }
        bench.reopen().await?;
    }
    Ok(())
}

async fn many_blobs_in_one_commit(bench: &mut Bench<'_>) -> Story {
    let account = bench.account();
    let mut blobs = Vec::new();
    for number in 0..1_500_u64 {
        blobs.push(
            bench
                .put(format!("body {number}").as_bytes(), b"row")
                .await?,
        );
    }
    bench.add(account, bench.binding(1, &blobs, &[])).await?;
    bench.reopen().await?;
    for (number, blob) in blobs.iter().enumerate() {
        let octets = bench.store.blob(*blob, 0..100).await?;
        same!(octets, format!("body {number}").as_bytes(), "body {number}");
    }
    let rows = bench.store.derived(&blobs).await?;
    same!(rows.iter().flatten().count(), blobs.len(), "the rows");
    bench.add(account, bench.binding(2, &[], &blobs)).await?;
    Ok(())
}

async fn bodies_that_look_like_files_of_the_engine(bench: &mut Bench<'_>) -> Story {
    let account = bench.account();
    let mut number = 0;
    let mut kept = Vec::new();
    // Zeros, ones, aligned and not, and long runs of one octet.
    for fill in [0_u8, 0xff, b'\n'] {
        for length in [1, 511, 512, 70_000] {
            number += 1;
            let body = vec![fill; length];
            let id = bench.put(&body, b"").await?;
            bench
                .add(account, bench.binding(number, &[id], &[]))
                .await?;
            kept.push((id, body));
        }
    }
    bench.reopen().await?;
    for (id, body) in kept {
        let read = bench.store.blob(id, 0..u64::MAX).await?;
        if read != body {
            return Err(Failure(format!(
                "{} octets came back otherwise",
                body.len()
            )));
        }
    }
    Ok(())
}
