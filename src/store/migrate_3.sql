-- From version 2 to 3: access, webhooks, manifests in the blob store, work outside.
UPDATE meta SET version = 3;
