//! What items are like, without their contents: one `GetItem` for many, properties only.

use super::EwsSource;
use crate::capability::Ability;
use crate::error::Failure;
use crate::http::Target;
use crate::item::RawItem;
use crate::operation::get_item::{GetItem, Shape};
use c2b_mailbox::{Address, ItemId, Looked, Scope, Sight, SourceError, Trouble};

impl EwsSource {
    /// Looks at items, one result for each.
    pub(super) async fn look_at_items(&self, mailbox: &Address, ids: &[ItemId]) -> Result<Vec<Looked>, SourceError> {
        let open = self.open(mailbox).await?;
        self.look_from(&open.target, ids, mailbox.as_str()).await
    }

    /// Looks at items that are there, in `place`.
    pub(super) async fn look_from(&self, target: &Target, ids: &[ItemId], place: &str) -> Result<Vec<Looked>, SourceError> {
        let operation = |id: &ItemId| format!("look at item {id} of {place}");
        let results = if self.capabilities.lacks(Ability::PropertyList) {
            let lacking = || Err(Failure::new(Trouble::Unsupported, "property list", "the server knows no list of properties"));
            ids.iter().map(|_| lacking()).collect()
        } else {
            self.ask_for_all(target, ids, |ids| GetItem { ids, shape: Shape::Listing }).await
        };
        let looked = ids.iter().zip(results).map(|(id, result)| Looked {
            id: id.clone(),
            result: result.and_then(|raw| sight(id, &raw)).map_err(|failure| failure.about(Scope::Item, operation(id))),
        });
        let mut looked: Vec<Looked> = looked.collect();
        let wider = |looked: &Looked| looked.result.as_ref().is_err_and(|err| err.scope != Scope::Item);
        if !looked.is_empty() && looked.iter().all(wider) {
            looked.swap_remove(0).result?;
        }
        Ok(looked)
    }
}

fn sight(id: &ItemId, raw: &RawItem) -> Result<Sight, Failure> {
    if raw.is_empty() {
        return Err(Failure::new(Trouble::Malformed, "answer", "the answer holds no item"));
    }
    Ok(Sight { meta: raw.meta(id.clone()), facts: raw.facts(), draft: raw.draft })
}
