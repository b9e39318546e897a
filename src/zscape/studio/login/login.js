// All addresses are relative: a proxy may serve the studio below a path of its own.
// The code of the link stands after the '#', which no server, log or Referer ever sees.
const words = document.getElementById('words')
const form = document.getElementById('form')

async function logIn(token) {
  const answer = await fetch('api/v1/login', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ token })
  })
  if (answer.ok) {
    location.replace('./')
    return
  }
  const { error } = await answer.json()
  words.textContent = error.sentence
  form.hidden = false
}

form.addEventListener('submit', (event) => {
  event.preventDefault()
  logIn(document.getElementById('token').value)
})

// A further link that is opened in this tab changes nothing but what stands after the '#'.
function readLink() {
  const code = location.hash.slice(1)
  history.replaceState(null, '', 'login')
  if (code) {
    logIn(code)
  } else {
    words.textContent = "Open the link that 'zscape studio' printed last, or type the token."
    form.hidden = false
  }
}

addEventListener('hashchange', readLink)
readLink()
